package panics

import (
	"testing"

	"github.com/fleetfall/fleetfall/orchestrator/console"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// What is made of the device and the console, in whichever order they tell.
func TestJoin(t *testing.T) {
	said := func(title string) func(*Join) { return func(j *Join) { j.Console(console.Report{Title: title}) } }
	device := func(j *Join) { j.Device() }
	refuted := func(shown bool) func(*Join) {
		return func(j *Join) {
			if got := j.Refute(); got != shown {
				t.Errorf("refuted: a panic was shown: %v, want %v", got, shown)
			}
		}
	}
	late := func(titles ...string) func(*Join) {
		var shown []console.Report
		for _, title := range titles {
			shown = append(shown, console.Report{Title: title})
		}
		return func(j *Join) { j.Unexplained(shown) }
	}
	const silent = "panic without a word on the console"
	for name, c := range map[string]struct {
		said                    []func(*Join)
		cause, both             string // titles; "" for none
		stands, waits, doubtful bool
	}{
		"nothing":                           {},
		"the device":                        {said: []func(*Join){device}, stands: true, waits: true},
		"the console":                       {said: []func(*Join){said("a")}, cause: "a", doubtful: true},
		"the device, then the console":      {said: []func(*Join){device, said("a")}, cause: "a", both: "a", stands: true},
		"the console, then the device":      {said: []func(*Join){said("a"), device}, cause: "a", both: "a", stands: true},
		"a later word":                      {said: []func(*Join){said("a"), said("b"), device}, cause: "b", both: "b", stands: true},
		"a guest that lives on":             {said: []func(*Join){said("a"), refuted(true)}},
		"a guest that has shown nothing":    {said: []func(*Join){refuted(false)}},
		"a forgery before the panic":        {said: []func(*Join){said("a"), refuted(true), device, said("b")}, cause: "b", both: "b", stands: true},
		"a console without a word":          {said: []func(*Join){device, late()}, cause: silent, both: silent, stands: true},
		"a trace that was cut short":        {said: []func(*Join){device, late("a", "b")}, cause: "b", both: "b", stands: true},
		"a cause that comes later all same": {said: []func(*Join){device, late(), said("a")}, cause: "a", both: "a", stands: true},
	} {
		var j Join
		for _, say := range c.said {
			say(&j)
		}
		title := func(r *console.Report) string {
			if r == nil {
				return ""
			}
			return r.Title
		}
		if title(j.Cause()) != c.cause || title(j.Both()) != c.both || j.Stands() != c.stands || j.Waits() != c.waits || j.Doubtful() != c.doubtful {
			t.Errorf("%s: cause %q, both %q, stands %v, waits %v, doubtful %v; want %+v",
				name, title(j.Cause()), title(j.Both()), j.Stands(), j.Waits(), j.Doubtful(), c)
		}
	}
}

// TestEvent: a panic's event has all that the console says of it.
func TestEvent(t *testing.T) {
	r := console.Report{Title: "page fault in memcmp", Type: console.TypePageFault, Function: "memcmp", Offset: "0x8/0x40", Caller: "agentk:ff_load",
		Excerpt: []string{"a", "b"}, Panicked: true}
	want := fleet.Panic{Source: "device", Title: r.Title, Type: r.Type, Function: r.Function, Offset: r.Offset, Caller: r.Caller, Excerpt: "a\nb"}
	if got := Event("device", r); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
