// Package fleettest holds every backend to the contract of package fleet: [Conform] is run by each backend's tests. It
// also has the [Fake], the smallest fleet that passes.
package fleettest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// A Backend is what Conform needs to know of the one it tests.
type Backend struct {
	// New makes a fleet of these hosts; Conform closes it.
	New func(t *testing.T, specs []fleet.HostSpec) fleet.Fleet
	// Content is a signed channel file of this version that agents accept; deadly content takes a kernel agent's host
	// down. Conform asks for version 2 as deadly and for version 3 as harmless.
	Content func(t *testing.T, version uint64, deadly bool) []byte
	// Shipped is the version of the content on a host's disk before anything is served.
	Shipped uint64
	// Patience bounds the wait for any one event, in the test's time.
	Patience time.Duration
}

// Tempo is the pace of the suite's hosts.
var Tempo = fleet.Tempo{Beat: 500 * time.Millisecond, Poll: time.Second, Work: 500 * time.Millisecond, Threat: time.Second}

// Conform runs the suite.
func Conform(t *testing.T, b Backend) {
	t.Run("caps", b.caps)
	t.Run("unknown host", b.unknownHost)
	t.Run("timers", b.timers)
	t.Run("cancel", b.cancel)
	t.Run("close", b.close)
	t.Run("life", b.life)
	t.Run("kernel crash and repair", b.crash)
	t.Run("agent crash", b.agentCrash)
	t.Run("no agent", b.noAgent)
}

// run is one fleet under test.
type run struct {
	t *testing.T
	b Backend
	fleet.Fleet
	last time.Duration
}

func (b Backend) open(t *testing.T, specs ...fleet.HostSpec) *run {
	r := &run{t: t, b: b, Fleet: b.New(t, specs)}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return r
}

func host(name, architecture string) fleet.HostSpec {
	return fleet.HostSpec{Name: name, Architecture: architecture, Image: "tiny", MemoryBytes: 96 << 20, Tempo: Tempo}
}

func (r *run) do(a fleet.Action) {
	r.t.Helper()
	if err := r.Do(context.Background(), a); err != nil {
		r.t.Fatalf("%s %+v: %v", a.Kind(), a, err)
	}
}

// until returns the first event for which want is true, checking what holds for every event on the way.
func (r *run) until(what string, want func(fleet.Event) bool) fleet.Event {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), r.b.Patience)
	defer cancel()
	var seen []string
	for {
		e, err := r.Next(ctx)
		if err != nil {
			for _, s := range seen[max(0, len(seen)-40):] {
				r.t.Log(s)
			}
			r.t.Fatalf("waiting for %s: %v", what, err)
		}
		seen = append(seen, e.String())
		if e.At < r.last {
			r.t.Fatalf("time went back from %s: %s", r.last, e)
		}
		r.last = e.At
		if want(e) {
			return e
		}
		if f, ok := e.What.(fleet.InfraFailed); ok {
			r.t.Fatalf("waiting for %s: %s: %s: %s", what, e.Host, f.Op, f.Reason)
		}
	}
}

// of waits for an event of type H of a host for which want, if not nil, is true.
func of[H fleet.Happening](r *run, host, what string, want func(H) bool) H {
	r.t.Helper()
	e := r.until(what, func(e fleet.Event) bool {
		h, ok := e.What.(H)
		return ok && e.Host == host && (want == nil || want(h))
	})
	return e.What.(H)
}

func (b Backend) caps(t *testing.T) {
	r := b.open(t, host("a", "none"))
	c := r.Caps()
	if c.Backend == "" || c.Accelerator == "" || (c.Clock != fleet.WallClock && c.Clock != fleet.VirtualClock) {
		t.Errorf("caps lack a name: %+v", c)
	}
	for _, kind := range fleet.ActionKinds() {
		if !c.Supports(kind) {
			t.Errorf("caps lack action %q", kind)
		}
	}
}

func (b Backend) unknownHost(t *testing.T) {
	r := b.open(t, host("a", "none"))
	err := r.Do(context.Background(), fleet.Boot{Host: "nobody", Mode: fleet.Normal})
	if !errors.Is(err, fleet.ErrUnknownHost) {
		t.Errorf("boot of an unknown host: %v, want ErrUnknownHost", err)
	}
}

func (b Backend) timers(t *testing.T) {
	r := b.open(t, host("a", "none"))
	r.After(300*time.Millisecond, "late")
	r.After(100*time.Millisecond, "early")
	r.After(100*time.Millisecond, "early, asked later")
	for _, want := range []string{"early", "early, asked later", "late"} {
		e := r.until("a timer", func(e fleet.Event) bool { _, ok := e.What.(fleet.TimerFired); return ok })
		if got := e.What.(fleet.TimerFired).Tag; got != want {
			t.Errorf("timer %q fired, want %q", got, want)
		}
	}
	if r.last < 300*time.Millisecond {
		t.Errorf("a timer of 300ms fired at %s", r.last)
	}
}

func (b Backend) cancel(t *testing.T) {
	r := b.open(t, host("a", "none"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next under a cancelled context: %v", err)
	}
}

func (b Backend) close(t *testing.T) {
	r := b.open(t, host("a", "none"))
	r.do(fleet.Boot{Host: "a", Mode: fleet.Normal})
	waiting := make(chan error, 1)
	go func() {
		for {
			if _, err := r.Next(context.Background()); err != nil {
				waiting <- err
				return
			}
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range 2 {
		if err := r.Close(ctx); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	if err := <-waiting; !errors.Is(err, fleet.ErrClosed) {
		t.Errorf("Next of a closed fleet: %v, want ErrClosed", err)
	}
	if err := r.Do(ctx, fleet.Boot{Host: "a", Mode: fleet.Normal}); !errors.Is(err, fleet.ErrClosed) {
		t.Errorf("Do of a closed fleet: %v, want ErrClosed", err)
	}
}

func (b Backend) life(t *testing.T) {
	r := b.open(t, host("a", "kernel"))
	r.do(fleet.Boot{Host: "a", Mode: fleet.Normal})
	of[fleet.Booting](r, "a", "booting", nil)
	hello := of[fleet.Hello](r, "a", "hello", nil)
	if hello.Mode != fleet.Normal || hello.Architecture != "kernel" || hello.ContentVersion != b.Shipped {
		t.Errorf("hello %+v, want normal mode, architecture kernel and content 1", hello)
	}
	of(r, "a", "a stopped threat", func(x fleet.Threat) bool { return x.Blocked })
	beat := of(r, "a", "a beat with work", func(x fleet.Beat) bool { return x.WorkUnits > 0 })
	if beat.BootID != hello.BootID {
		t.Errorf("beat of boot %s after hello of boot %s", beat.BootID, hello.BootID)
	}

	r.do(fleet.Offer(3, b.Content(t, 3, false)).To("a"))
	if got := of[fleet.Fetched](r, "a", "a poll", nil); got.Version != 3 {
		t.Errorf("fetched %d, want 3", got.Version)
	}
	of(r, "a", "a beat with content 3", func(x fleet.Beat) bool { return x.ContentVersion == 3 })

	r.do(fleet.Reset{Host: "a"})
	of[fleet.Booting](r, "a", "booting again", nil)
	again := of[fleet.Hello](r, "a", "hello again", nil)
	if again.BootID == hello.BootID {
		t.Error("the boot ID is the same after a reset")
	}
	if again.ContentVersion != 3 {
		t.Errorf("content %d after a reset, want 3: the disk must persist", again.ContentVersion)
	}

	r.do(fleet.PowerOff{Host: "a"})
	of[fleet.PoweredOff](r, "a", "power off", nil)
	r.do(fleet.Boot{Host: "a", Mode: fleet.Normal})
	if got := of[fleet.Hello](r, "a", "hello after power off", nil); got.ContentVersion != 3 {
		t.Errorf("content %d after a power cycle, want 3", got.ContentVersion)
	}
}

func (b Backend) crash(t *testing.T) {
	r := b.open(t, host("a", "kernel"))
	r.do(fleet.Boot{Host: "a", Mode: fleet.Normal})
	of(r, "a", "a stopped threat", func(x fleet.Threat) bool { return x.Blocked })
	r.do(fleet.Offer(2, b.Content(t, 2, true)).To("a"))
	for range 2 { // the content is on the disk: the host loops
		p := of[fleet.Panic](r, "a", "a panic", nil)
		if p.Type != "page_fault" || p.Module != "agentk" {
			t.Errorf("panic %+v, want a page fault in module agentk", p)
		}
		r.do(fleet.Reset{Host: "a"})
	}
	of[fleet.Panic](r, "a", "a third panic", nil)
	r.do(fleet.Offer(3, b.Content(t, 3, false)).To("a"))
	r.do(fleet.Boot{Host: "a", Mode: fleet.Safe})
	if got := of[fleet.Hello](r, "a", "hello in safe mode", nil); got.Mode != fleet.Safe {
		t.Errorf("hello in mode %q, want safe", got.Mode)
	}
	remove := fleet.Tell{Host: "a", Order: fleet.Order{ID: 1, Kind: fleet.RemoveContent}}
	r.do(remove)
	r.do(remove) // it is the same, and done once
	r.do(fleet.Tell{Host: "a", Order: fleet.Order{ID: 2, Kind: "unheard_of", Args: map[string]string{"a": "b"}}})
	if got := of[fleet.OrderDone](r, "a", "the order's outcome", nil); got != (fleet.OrderDone{ID: 1, Order: fleet.RemoveContent}) {
		t.Errorf("order done: %+v", got)
	}
	if got := of[fleet.OrderDone](r, "a", "the outcome of what nobody knows", nil); got.ID != 2 || got.Order != "unheard_of" || got.Error == "" {
		t.Errorf("an order of an unknown kind was done: %+v", got)
	}
	r.do(fleet.Boot{Host: "a", Mode: fleet.Normal})
	if got := of[fleet.Hello](r, "a", "hello after the repair", nil); got.ContentVersion != b.Shipped {
		t.Errorf("content %d after its removal, want the shipped %d", got.ContentVersion, b.Shipped)
	}
	of(r, "a", "a beat with content 3", func(x fleet.Beat) bool { return x.ContentVersion == 3 })
	of(r, "a", "a stopped threat", func(x fleet.Threat) bool { return x.Blocked })
}

func (b Backend) agentCrash(t *testing.T) {
	r := b.open(t, host("a", "user"))
	r.do(fleet.Boot{Host: "a", Mode: fleet.Normal})
	hello := of[fleet.Hello](r, "a", "hello", nil)
	of(r, "a", "a stopped threat", func(x fleet.Threat) bool { return x.Blocked })
	r.do(fleet.Offer(2, b.Content(t, 2, true)).To("a"))
	if got := of[fleet.AgentExit](r, "a", "the agent's end", nil); got.Signal != 11 {
		t.Errorf("the agent ended by signal %d, want 11", got.Signal)
	}
	of(r, "a", "a missed threat", func(x fleet.Threat) bool { return !x.Blocked && !x.Reported })
	r.do(fleet.Offer(3, b.Content(t, 3, false)).To("a"))
	of(r, "a", "a stopped threat", func(x fleet.Threat) bool { return x.Blocked })
	beat := of(r, "a", "a beat with content 3", func(x fleet.Beat) bool { return x.ContentVersion == 3 })
	if beat.BootID != hello.BootID {
		t.Error("the host booted again though only its agent crashed")
	}
}

func (b Backend) noAgent(t *testing.T) {
	r := b.open(t, host("a", "none"))
	r.do(fleet.Boot{Host: "a", Mode: fleet.Normal})
	of(r, "a", "a missed threat", func(x fleet.Threat) bool { return !x.Blocked && !x.Reported })
	of(r, "a", "a beat with work", func(x fleet.Beat) bool { return x.WorkUnits > 0 && x.WorkFailed == 0 })
}
