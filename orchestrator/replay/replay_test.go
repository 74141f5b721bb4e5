package replay_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/fleet/fleettest"
	"github.com/fleetfall/fleetfall/orchestrator/replay"
)

// A tape records a fleet while it is used.
type tape struct {
	fleet.Fleet
	rec *replay.Recording
	now time.Duration
}

func (t *tape) Do(ctx context.Context, a fleet.Action) error {
	err := t.Fleet.Do(ctx, a)
	if err == nil {
		t.rec.Steps = append(t.rec.Steps, replay.Step{At: t.now, Action: a})
	}
	return err
}

func (t *tape) Next(ctx context.Context) (fleet.Event, error) {
	e, err := t.Fleet.Next(ctx)
	if err == nil {
		t.now = e.At
		t.rec.Steps = append(t.rec.Steps, replay.Step{At: e.At, Host: e.Host, Event: e.What})
	}
	return e, err
}

// TestConformance has the suite itself recorded, on the conformance fake, and then puts the recordings through it. They
// broke off where the suite had seen enough.
func TestConformance(t *testing.T) {
	tapes := map[string]*tape{}
	name := func(t *testing.T) string { return t.Name()[strings.LastIndexByte(t.Name(), '/')+1:] }
	b := fleettest.Backend{
		Content:  func(*testing.T, uint64, bool) []byte { return nil },
		Shipped:  1,
		Patience: time.Minute,
		New: func(t *testing.T, specs []fleet.HostSpec) fleet.Fleet {
			fake := fleettest.NewFake(specs, fleettest.FakeOptions{Deadly: []uint64{2}})
			tapes[name(t)] = &tape{Fleet: fake, rec: &replay.Recording{Clock: fleet.VirtualClock, Has: fake.Caps().Has, Hosts: specs, Broken: true}}
			return tapes[name(t)]
		},
	}
	t.Run("recorded", func(t *testing.T) { fleettest.Conform(t, b) })
	b.New = func(t *testing.T, _ []fleet.HostSpec) fleet.Fleet { return replay.New(*tapes[name(t)].rec, nil) }
	t.Run("replayed", func(t *testing.T) { fleettest.Conform(t, b) })
}

const s = time.Second

var (
	boot  = fleet.Boot{Host: "a", Mode: fleet.Normal}
	reset = fleet.Reset{Host: "a"}
	tick  = fleet.TimerFired{Tag: "tick"}
)

// recorded is a trial of one host that is reset once. A timer fired at 1 s.
func recorded() replay.Recording {
	return replay.Recording{
		Clock: fleet.VirtualClock, Hosts: []fleet.HostSpec{{Name: "a", Architecture: "user"}}, End: 3 * s, Status: "settled",
		Steps: []replay.Step{
			{Action: boot}, {At: s, Event: tick}, {At: s, Mark: "ready"}, {At: 2 * s, Host: "a", Event: fleet.Beat{WorkUnits: 1}},
			{At: 2 * s, Action: reset}, {At: 3 * s, Host: "a", Event: fleet.Booting{Mode: fleet.Normal}},
		},
	}
}

// A script is what an orchestrator decides: it is asked after each event, and first of all.
type script func(f *fleetOf, events int)

// fleetOf is a fleet with the short forms that scripts want.
type fleetOf struct {
	*replay.Fleet
	t *testing.T
}

func (f *fleetOf) do(a fleet.Action) { _ = f.Do(f.t.Context(), a) }

// asRecorded decides what was decided in recorded.
func asRecorded(f *fleetOf, events int) {
	switch events {
	case 0:
		f.After(s, "tick")
		f.do(boot)
	case 1:
		f.Mark(s, "ready")
	case 2:
		f.do(reset)
	case 3:
		f.End(3*s, "settled", "")
	}
}

// play runs a script to the recording's end, or to the first error.
func play(t *testing.T, rec replay.Recording, decide script) *replay.Divergence {
	t.Helper()
	f := &fleetOf{replay.New(rec, nil), t}
	defer f.Close(t.Context())
	decide(f, 0)
	for n := 1; n <= 3; n++ {
		e, err := f.Next(t.Context())
		if err != nil {
			d := f.Divergence()
			if !errors.Is(err, d) {
				t.Errorf("Next says %v, and the divergence is %v", err, d)
			}
			return d
		}
		if want := recorded().Steps[[]int{1, 3, 5}[n-1]]; e.At != want.At || e.Host != want.Host || !reflect.DeepEqual(e.What, want.Event) {
			t.Errorf("event %d is %v, want %v", n, e, want)
		}
		decide(f, n)
	}
	return f.Divergence()
}

func TestSameDecisions(t *testing.T) {
	if d := play(t, recorded(), asRecorded); d != nil {
		t.Errorf("%v", d)
	}
}

func TestDivergence(t *testing.T) {
	instead := func(at int, other func(f *fleetOf)) script {
		return func(f *fleetOf, events int) {
			if events == at {
				other(f)
			} else {
				asRecorded(f, events)
			}
		}
	}
	for name, c := range map[string]struct {
		decide script
		want   string
	}{
		"another action": {instead(2, func(f *fleetOf) { f.do(fleet.PowerOff{Host: "a"}) }),
			`at 2s, after 2 events: recorded is action reset {"host":"a"} at 2s, and now action power_off {"host":"a"}`},
		"another field": {instead(0, func(f *fleetOf) { f.After(s, "tick"); f.do(fleet.Boot{Host: "a", Mode: fleet.Safe}) }),
			`at 0s, after 0 events: recorded is action boot {"host":"a","mode":"normal"} at 0s, and now action boot {"host":"a","mode":"safe"}`},
		"no action": {instead(2, func(*fleetOf) {}),
			`at 2s, after 2 events: recorded is action reset {"host":"a"} at 2s, and now nothing is done`},
		"one action more": {instead(1, func(f *fleetOf) { f.Mark(s, "ready"); f.do(reset) }),
			`at 1s, after 1 events: recorded is event beat {"boot_id":"","agent_state":"","content_version":0,"work_units":1,"work_max_ns":0,"work_total_ns":0,"work_failed":0,"uptime_ns":0} of a at 2s, and now action reset {"host":"a"}`},
		"another mark": {instead(1, func(f *fleetOf) { f.Mark(s, "injected") }),
			`at 1s, after 1 events: recorded is mark "ready" at 1s, and now mark "injected"`},
		"no mark": {instead(1, func(*fleetOf) {}), `at 1s, after 1 events: recorded is mark "ready" at 1s, and now nothing is done`},
		"a timer that was not asked for": {instead(0, func(f *fleetOf) { f.do(boot) }),
			`at 0s, after 0 events: recorded is event timer {"tag":"tick"} at 1s, and now no timer of that name was asked for`},
		"a later timer": {instead(0, func(f *fleetOf) { f.After(2*s, "tick"); f.do(boot) }),
			`at 0s, after 0 events: recorded is event timer {"tag":"tick"} at 1s, and now timer "tick" is to fire at 2s`},
		"an earlier timer": {instead(0, func(f *fleetOf) { f.After(s/2, "tick"); f.do(boot) }),
			`at 0s, after 0 events: recorded is event timer {"tag":"tick"} at 1s, and now timer "tick" is to fire at 500ms`},
		"one timer more": {instead(1, func(f *fleetOf) { f.After(s/2, "more"); f.Mark(s, "ready") }),
			`at 1s, after 1 events: recorded is event beat {"boot_id":"","agent_state":"","content_version":0,"work_units":1,"work_max_ns":0,"work_total_ns":0,"work_failed":0,"uptime_ns":0} of a at 2s, and now timer "more" is to fire at 1.5s`},
		"another end": {instead(3, func(f *fleetOf) { f.End(3*s, "deadline", "") }),
			"at 3s, after 3 events: recorded is the trial ends as settled at 3s, and now the trial ends as deadline at 3s"},
		"an early end": {instead(2, func(f *fleetOf) { f.End(2*s, "settled", "") }),
			`at 2s, after 2 events: recorded is action reset {"host":"a"} at 2s, and now the trial ends as settled at 2s`},
		"no end": {instead(3, func(f *fleetOf) { _, _ = f.Next(t.Context()) }),
			"at 3s, after 3 events: recorded is the trial ends as settled at 3s, and now the trial goes on"},
		"an action behind the end": {instead(3, func(f *fleetOf) { f.do(boot) }),
			`at 3s, after 3 events: recorded is the trial ends as settled at 3s, and now action boot {"host":"a","mode":"normal"}`},
	} {
		t.Run(name, func(t *testing.T) {
			d := play(t, recorded(), c.decide)
			if d == nil {
				t.Fatal("no divergence")
			}
			if d.Error() != c.want {
				t.Errorf("it says\n%s\nwant\n%s", d, c.want)
			}
		})
	}
}

// TestOfOldJournals: what a recording does not say, because it is of a time when nobody did, is nothing to compare; all
// else is.
func TestOfOldJournals(t *testing.T) {
	tell := func(id uint64, kind string, args map[string]string) fleet.Action {
		return fleet.Tell{Host: "a", Order: fleet.Order{ID: id, Kind: kind, Args: args}}
	}
	offer := func(version uint64, file string) fleet.Action { return fleet.Offer(version, []byte(file)).To("a") }
	for name, c := range map[string]struct {
		recorded, now fleet.Action
		same          bool
	}{
		"an order without a number":       {tell(0, "remove", nil), tell(3, "remove", nil), true},
		"an order of another kind":        {tell(0, "remove", nil), tell(3, "restore", nil), false},
		"an order with something to say":  {tell(0, "remove", nil), tell(3, "remove", map[string]string{"a": "b"}), false},
		"an order of another number":      {tell(2, "remove", nil), tell(3, "remove", nil), false},
		"an order that has no number now": {tell(2, "remove", nil), tell(0, "remove", nil), false},
		"content without a name":          {fleet.Serve{Host: "a", Version: 2}, offer(2, "x"), true},
		"content of another version":      {fleet.Serve{Host: "a", Version: 3}, offer(2, "x"), false},
		"other content":                   {offer(2, "y"), offer(2, "x"), false},
		"content that has no name now":    {offer(2, "x"), fleet.Serve{Host: "a", Version: 2}, false},
		"another action":                  {tell(0, "remove", nil), reset, false},
	} {
		rec := recorded()
		rec.Steps[4].Action = c.recorded
		d := play(t, rec, func(f *fleetOf, events int) {
			if events == 2 {
				f.do(c.now)
				return
			}
			asRecorded(f, events)
		})
		if (d == nil) != c.same {
			t.Errorf("%s: %v", name, d)
		}
	}
}

// TestTimeOfDecisions: what is decided now is decided at the latest event, and was recorded then.
func TestTimeOfDecisions(t *testing.T) {
	for step, want := range map[int]string{
		2: `at 1s, after 1 events: recorded is mark "ready" at 1.5s, and now mark "ready"`,
		4: `at 2s, after 2 events: recorded is action reset {"host":"a"} at 2.5s, and now action reset {"host":"a"}`,
	} {
		rec := recorded()
		rec.Steps[step].At += s / 2
		if d := play(t, rec, asRecorded); d == nil || d.Error() != want {
			t.Errorf("it says\n%v\nwant\n%s", d, want)
		}
	}
}

// TestWallClock: a timer may fire late there, and still not early.
func TestWallClock(t *testing.T) {
	rec := recorded()
	rec.Clock = fleet.WallClock
	soon := func(wait time.Duration) script {
		return func(f *fleetOf, events int) {
			if events > 0 {
				asRecorded(f, events)
				return
			}
			f.After(wait, "tick")
			f.do(boot)
		}
	}
	if d := play(t, rec, soon(s/2)); d != nil {
		t.Errorf("a timer that fired late: %v", d)
	}
	if d := play(t, rec, soon(s+1)); d == nil {
		t.Error("a timer that fired early was taken for the one that was asked for")
	}
}

// TestBrokenOff: behind the last step of a recording that nobody ended is nothing to compare.
func TestBrokenOff(t *testing.T) {
	rec := recorded()
	rec.Steps, rec.End, rec.Status, rec.Reason, rec.Broken = rec.Steps[:4], 2*s, "interrupted", "a signal", true
	ctx, cancel := context.WithCancelCause(t.Context())
	f := replay.New(rec, func(reason string) { cancel(errors.New(reason)) })
	f.After(s, "tick")
	if err := f.Do(ctx, boot); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		if n == 1 {
			f.Mark(s, "ready")
		}
		if err := f.Over(); err != nil {
			t.Fatalf("over after %d events: %v", n, err)
		}
		if _, err := f.Next(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Over(); !errors.Is(err, replay.ErrOver) || context.Cause(ctx).Error() != "a signal" {
		t.Errorf("at the end: %v, %v", err, context.Cause(ctx))
	}
	if err := f.Do(ctx, reset); !errors.Is(err, context.Canceled) {
		t.Errorf("an action that was never recorded: %v", err)
	}
	if _, err := f.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next at the end: %v", err)
	}
	f.End(2*s, "interrupted", "another signal")
	if d := f.Divergence(); d != nil {
		t.Errorf("%v", d)
	}
}

// TestEndBeforeItBreaksOff: the recording goes on.
func TestEndBeforeItBreaksOff(t *testing.T) {
	rec := recorded()
	rec.Broken = true
	f := replay.New(rec, nil)
	f.End(0, rec.Status, "")
	if f.Divergence() == nil {
		t.Error("an end at the very start was taken for that of the recording")
	}
}

// TestFailedAction: what could not be carried out then cannot now, for the same reason.
func TestFailedAction(t *testing.T) {
	rec := recorded()
	failed := &fleet.InfraError{Host: "a", Op: "boot", Err: errors.New("no such image: tiny")}
	rec.Steps, rec.End, rec.Status, rec.Reason = rec.Steps[:1], 0, "invalid", failed.Error()
	f := replay.New(rec, nil)
	if err := f.Do(t.Context(), boot); err == nil || err.Error() != "no such image: tiny" {
		t.Errorf("it fails with %v", err)
	}
	f.End(0, "invalid", failed.Error())
	if d := f.Divergence(); d != nil {
		t.Errorf("%v", d)
	}
}
