package fleettest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// A check is one test of the suite, and what a backend has to claim for it.
type check struct {
	name  string
	needs []fleet.Capability
	run   func(Backend, *testing.T)
}

// checks lists the suite's tests but the first. An architecture that no other test is about has one of its own.
func checks(caps fleet.Caps) []check {
	can := func(architecture string, others ...fleet.Capability) []fleet.Capability {
		boots := []fleet.Capability{fleet.CanDo("boot"), fleet.CanBoot(fleet.Normal), fleet.CanRun(architecture)}
		return append(boots, others...)
	}
	serve, reset, oops := fleet.CanDo("serve"), fleet.CanDo("reset"), fleet.CanTakeOops(fleet.OopsPanic)
	order := []fleet.Capability{fleet.CanBoot(fleet.Safe), fleet.CanDo("tell"), fleet.CanOrder(fleet.RemoveContent)}
	all := []check{
		{"unclaimed", nil, Backend.unclaimed},
		{"unknown host", nil, Backend.unknownHost},
		{"timers", nil, Backend.timers},
		{"cancel", nil, Backend.cancel},
		{"close", nil, Backend.close},
		{"no agent", can("none"), Backend.noAgent},
		{"life", can("kernel", serve, reset), Backend.life},
		{"power off", can("kernel", serve, fleet.CanDo("power_off")), Backend.powerOff},
		{"kernel crash", can("kernel", serve, reset, oops), Backend.crash},
		{"repair", append(can("kernel", serve, oops), order...), Backend.repair},
		{"oops kill", can("kernel", serve, fleet.CanTakeOops(fleet.OopsKill)), Backend.oopsKill},
		{"crash dump", can("kernel", serve, oops, fleet.CanDumpMemory), Backend.crashDump},
		{"agent crash", can("user", serve), Backend.agentCrash},
		{"nodes", append(least(), fleet.CanUseNodes), Backend.nodes},
		{"side by side", append(least(), fleet.CanRunBeside), Backend.sideBySide},
	}
	for _, c := range caps.Has {
		name, is := strings.CutPrefix(string(c), "architecture ")
		if is && !slices.Contains([]string{"kernel", "none", "user"}, name) {
			all = append(all, check{string(c), can(name), func(b Backend, t *testing.T) { b.architecture(t, name) }})
		}
	}
	return all
}

func (b Backend) caps(t *testing.T) fleet.Caps {
	r := b.open(t, host("a", "none"))
	c := r.Caps()
	if c.Backend == "" || c.Accelerator == "" || (c.Clock != fleet.WallClock && c.Clock != fleet.VirtualClock) {
		t.Errorf("caps lack a name: %+v", c)
	}
	if missing := fleet.Missing(c.Has, append(least(), fleet.CanKeepTime(c.Clock))); len(missing) > 0 {
		t.Errorf("every backend has %q", missing)
	}
	return c
}

// unclaimed asks for what the fleet does not claim to do: it is to say so at once.
func (b Backend) unclaimed(t *testing.T) {
	r := b.open(t, host("a", "none"))
	for _, a := range []fleet.Action{
		fleet.Boot{Host: "a", Mode: fleet.Safe}, fleet.Boot{Host: "a", Mode: "no such mode"}, fleet.Reset{Host: "a"},
		fleet.PowerOff{Host: "a"}, fleet.Offer(3, b.Content(t, 3, false)).To("a"),
		fleet.Tell{Host: "a", Order: fleet.Order{ID: 1, Kind: fleet.RemoveContent}},
		fleet.Tell{Host: "a", Order: fleet.Order{ID: 2, Kind: "no such order"}},
	} {
		if len(fleet.Missing(r.Caps().Has, fleet.Needed(a))) == 0 {
			continue
		}
		if err := r.Do(context.Background(), a); !errors.Is(err, fleet.ErrUnsupported) {
			t.Errorf("%s %+v, which is not claimed: %v, want ErrUnsupported", a.Kind(), a, err)
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
}

func (b Backend) powerOff(t *testing.T) {
	r := b.open(t, host("a", "kernel"))
	r.do(fleet.Boot{Host: "a", Mode: fleet.Normal})
	hello := of[fleet.Hello](r, "a", "hello", nil)
	r.do(fleet.Offer(3, b.Content(t, 3, false)).To("a"))
	of(r, "a", "a beat with content 3", func(x fleet.Beat) bool { return x.ContentVersion == 3 })
	r.do(fleet.PowerOff{Host: "a"})
	of[fleet.PoweredOff](r, "a", "power off", nil)
	r.do(fleet.Boot{Host: "a", Mode: fleet.Normal})
	got := of[fleet.Hello](r, "a", "hello after power off", nil)
	if got.BootID == hello.BootID || got.ContentVersion != 3 {
		t.Errorf("hello %+v after a power cycle of a host that said %+v and then took content 3", got, hello)
	}
}

// deadly boots a host, and serves it content that its agent does not survive.
func (b Backend) deadly(t *testing.T, spec fleet.HostSpec) *run {
	r := b.open(t, spec)
	r.do(fleet.Boot{Host: spec.Name, Mode: fleet.Normal})
	of(r, spec.Name, "a stopped threat", func(x fleet.Threat) bool { return x.Blocked })
	r.do(fleet.Offer(2, b.Content(t, 2, true)).To(spec.Name))
	return r
}

func (b Backend) crash(t *testing.T) {
	r := b.deadly(t, host("a", "kernel"))
	for range 2 { // the content is on the disk: the host loops
		p := of[fleet.Panic](r, "a", "a panic", nil)
		if p.Type != "page_fault" || p.Module != "agentk" {
			t.Errorf("panic %+v, want a page fault in module agentk", p)
		}
		r.do(fleet.Reset{Host: "a"})
	}
	of[fleet.Panic](r, "a", "a third panic", nil)
}

func (b Backend) repair(t *testing.T) {
	r := b.deadly(t, host("a", "kernel"))
	of[fleet.Panic](r, "a", "a panic", nil)
	r.do(fleet.Offer(3, b.Content(t, 3, false)).To("a"))
	r.do(fleet.Boot{Host: "a", Mode: fleet.Safe})
	if got := of[fleet.Hello](r, "a", "hello in safe mode", nil); got.Mode != fleet.Safe {
		t.Errorf("hello in mode %q, want safe", got.Mode)
	}
	remove := fleet.Tell{Host: "a", Order: fleet.Order{ID: 1, Kind: fleet.RemoveContent}}
	r.do(remove)
	r.do(remove) // it is the same, and done once
	r.do(fleet.Tell{Host: "a", Order: fleet.Order{ID: 2, Kind: fleet.RemoveContent}})
	for id := range uint64(2) {
		want := fleet.OrderDone{ID: id + 1, Order: fleet.RemoveContent}
		if got := of[fleet.OrderDone](r, "a", "the order's outcome", nil); got != want {
			t.Errorf("order done: %+v, want %+v", got, want)
		}
	}
	r.do(fleet.Boot{Host: "a", Mode: fleet.Normal})
	if got := of[fleet.Hello](r, "a", "hello after the repair", nil); got.ContentVersion != b.Shipped {
		t.Errorf("content %d after its removal, want the shipped %d", got.ContentVersion, b.Shipped)
	}
	of(r, "a", "a beat with content 3", func(x fleet.Beat) bool { return x.ContentVersion == 3 })
	of(r, "a", "a stopped threat", func(x fleet.Threat) bool { return x.Blocked })
}

// oopsKill: the agent's fault costs the task in which it happened, and the host goes on.
func (b Backend) oopsKill(t *testing.T) {
	spec := host("a", "kernel")
	spec.Oops = fleet.OopsKill
	r := b.deadly(t, spec)
	beats := 0 // ten are several units of work, each of which evaluates the content
	r.until("beats after a fault of the kernel", func(e fleet.Event) bool {
		switch w := e.What.(type) {
		case fleet.Panic:
			t.Fatalf("the kernel took a fault by a panic: %+v", w)
		case fleet.Beat:
			beats++
		}
		return beats == 10
	})
}

func (b Backend) crashDump(t *testing.T) {
	spec := host("a", "kernel")
	spec.CrashDump = true
	r := b.deadly(t, spec)
	of[fleet.Panic](r, "a", "a panic", nil)
	if d := of[fleet.Dumped](r, "a", "what became of the dump", nil); d.Error != "" || d.File == "" {
		t.Errorf("dumped %+v, want a file", d)
	}
}

func (b Backend) architecture(t *testing.T, name string) {
	r := b.open(t, host("a", name))
	r.do(fleet.Boot{Host: "a", Mode: fleet.Normal})
	if hello := of[fleet.Hello](r, "a", "hello", nil); hello.Architecture != name {
		t.Errorf("hello of architecture %q, want %q", hello.Architecture, name)
	}
	of(r, "a", "a stopped threat", func(x fleet.Threat) bool { return x.Blocked })
}

func (b Backend) nodes(t *testing.T) {
	if len(b.Nodes) == 0 {
		t.Fatal("the backend claims to put hosts on machines that they name, and its test names none in Nodes")
	}
	var specs []fleet.HostSpec
	for i, node := range b.Nodes {
		spec := host(fmt.Sprintf("on-%d", i), "none")
		spec.Node = node
		specs = append(specs, spec)
	}
	r := b.open(t, specs...)
	for _, spec := range specs {
		r.do(fleet.Boot{Host: spec.Name, Mode: fleet.Normal})
		of[fleet.Hello](r, spec.Name, "hello on machine "+spec.Node, nil)
	}
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
