package recovery_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/health"
	"github.com/fleetfall/fleetfall/orchestrator/recovery"
	"github.com/fleetfall/fleetfall/scenarios"
)

const s = time.Second

// A script drives a policy by hand and writes down what it answers. Hosts are named a, b, c, …
type script struct {
	t      *testing.T
	policy recovery.Policy
	timers map[string]recovery.Timer // that were asked for, by the beginning of their tag: "restart/a"
}

// hosts of a script's fleet.
const hosts = 3

func newScript(t *testing.T, r scenarios.Recovery) *script {
	t.Helper()
	p, err := recovery.New(r, recovery.Fleet{Hosts: hosts, Chance: func(host, n uint32) *rand.Rand {
		return rand.New(rand.NewPCG(uint64(host), uint64(n)))
	}})
	if err != nil {
		t.Fatal(err)
	}
	return &script{t, p, map[string]recovery.Timer{}}
}

func name(host uint32) string { return string(rune('a' + host)) }

func number(name string) uint32 { return uint32(name[0] - 'a') }

func (c *script) say(acts []recovery.Act) []string {
	said := []string{}
	for _, a := range acts {
		host := name(a.Host)
		switch a.Do {
		case recovery.Wait:
			tag := a.Timer.Tag(host)
			kind := tag[:strings.LastIndex(tag, "/")]
			if c.timers[kind] == a.Timer {
				c.t.Errorf("the timer %q is asked for twice", tag)
			}
			c.timers[kind] = a.Timer
			said = append(said, fmt.Sprintf("wait %s for %s", a.Wait, kind))
		case recovery.Boot:
			said = append(said, fmt.Sprintf("boot %s %s", host, a.Mode))
		case recovery.Reset:
			said = append(said, "reset "+host)
		case recovery.Tell:
			said = append(said, fmt.Sprintf("tell %s %s", host, a.Order.Kind))
		}
	}
	return said
}

func (c *script) expect(got []string, want ...string) {
	c.t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Fatalf("steps (-want +got):\n%s", diff)
	}
}

func (c *script) host(name string, kinds ...health.EdgeKind) []string {
	var edges []health.Edge
	for _, k := range kinds {
		edges = append(edges, health.Edge{Host: number(name), Kind: k})
	}
	return c.say(c.policy.Observe(edges))
}

func (c *script) fire(name string) []string {
	c.t.Helper()
	timer, ok := c.timers[name]
	if !ok {
		c.t.Fatalf("no timer %q was asked for", name)
	}
	return c.say(c.policy.Fired(timer))
}

func technicians(n int) scenarios.Recovery {
	return scenarios.Recovery{
		Name: "t", Strategy: "safe_mode", Technicians: n, Notice: scenarios.Duration(2 * s), Restart: scenarios.Duration(1 * s),
		HandsOn: scenarios.Distribution{Kind: "fixed", A: scenarios.Duration(4 * s)},
	}
}

func TestNoneRestartsAfterEachPanic(t *testing.T) {
	c := newScript(t, scenarios.Recovery{Name: "none", Strategy: "none", Restart: scenarios.Duration(3 * s)})
	for range 3 {
		c.expect(c.host("a", health.EdgeCrashed), "wait 3s for restart/a")
		c.expect(c.fire("restart/a"), "reset a")
	}
	c.expect(c.host("a", health.EdgeCrashed), "wait 3s for restart/a")
	c.host("a", health.EdgeStarting)
	c.expect(c.fire("restart/a")) // somebody else has booted it
}

func TestSafeMode(t *testing.T) {
	c := newScript(t, technicians(1))
	c.expect(c.host("a", health.EdgeCrashed), "wait 1s for restart/a")
	c.expect(c.fire("restart/a"), "reset a")
	c.expect(c.host("a", health.EdgeCrashed), "wait 2s for notice/a", "wait 1s for restart/a")
	c.expect(c.fire("restart/a"), "reset a")
	c.host("b", health.EdgeCrashed)
	c.expect(c.host("b", health.EdgeCrashed), "wait 2s for notice/b", "wait 1s for restart/b")

	c.expect(c.fire("notice/a"), "boot a safe")
	c.expect(c.fire("notice/b")) // the one technician is busy
	c.expect(c.host("a", health.EdgeRepairing))
	c.expect(c.host("a", health.EdgeAnswering), "tell a remove_content")
	c.expect(c.host("a", health.EdgeDone), "wait 4s for hands-on/a")
	c.expect(c.fire("hands-on/a"), "boot a normal", "boot b safe")

	// A host that crashes again after its repair is looped anew before it is noticed.
	c.expect(c.host("a", health.EdgeCrashed), "wait 1s for restart/a")
	c.expect(c.host("a", health.EdgeCrashed), "wait 2s for notice/a", "wait 1s for restart/a")
}

func TestHostThatComesBackByItselfNeedsNobody(t *testing.T) {
	c := newScript(t, technicians(1))
	c.host("a", health.EdgeCrashed)
	c.host("a", health.EdgeCrashed)
	c.expect(c.host("a", health.EdgeUp))
	c.expect(c.fire("notice/a"))
}

func TestQueuedHostThatComesBackIsPassedOver(t *testing.T) {
	c := newScript(t, technicians(1))
	for _, h := range []string{"a", "b", "c"} {
		c.host(h, health.EdgeCrashed)
		c.host(h, health.EdgeCrashed)
	}
	c.expect(c.fire("notice/a"), "boot a safe")
	c.expect(c.fire("notice/b"))
	c.expect(c.fire("notice/c"))
	c.host("b", health.EdgeUp)
	c.host("a", health.EdgeAnswering)
	c.host("a", health.EdgeDone)
	c.expect(c.fire("hands-on/a"), "boot a normal", "boot c safe")
}

func TestHungHostIsRepaired(t *testing.T) {
	c := newScript(t, technicians(2))
	c.expect(c.host("a", health.EdgeSilent), "wait 2s for notice/a")
	c.expect(c.fire("notice/a"), "boot a safe")
}

// TestPanicOnTheWayToSafeMode: a host goes on with its loop until its boot into safe mode begins, and the technician
// stays.
func TestPanicOnTheWayToSafeMode(t *testing.T) {
	c := newScript(t, technicians(1))
	c.host("a", health.EdgeCrashed)
	c.host("a", health.EdgeCrashed)
	c.expect(c.fire("notice/a"), "boot a safe")
	c.expect(c.host("a", health.EdgeStarting))
	c.expect(c.host("a", health.EdgeCrashed))
	c.expect(c.host("a", health.EdgeRepairing))
	c.expect(c.host("a", health.EdgeAnswering), "tell a remove_content")
}

func TestRepairThatFailsIsTriedAgain(t *testing.T) {
	for name, fail := range map[string]func(c *script) []string{
		"safe mode panics": func(c *script) []string {
			return c.host("a", health.EdgeCrashed)
		},
		"safe mode does not boot": func(c *script) []string {
			return c.host("a", health.EdgeSilent)
		},
		"safe mode falls silent": func(c *script) []string {
			c.host("a", health.EdgeAnswering)
			return c.host("a", health.EdgeSilent)
		},
		"content cannot be removed": func(c *script) []string {
			c.host("a", health.EdgeAnswering)
			return c.host("a", health.EdgeFailed)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newScript(t, technicians(1))
			c.host("a", health.EdgeCrashed)
			c.host("a", health.EdgeCrashed)
			c.host("b", health.EdgeCrashed)
			c.host("b", health.EdgeCrashed)
			c.fire("notice/a")
			c.fire("notice/b")
			c.host("a", health.EdgeRepairing)
			got := fail(c)
			if len(got) < 2 || got[0] != "wait 2s for notice/a" || got[1] != "boot b safe" {
				t.Fatalf("steps %q: want a noticed again and the technician at b", got)
			}
			c.host("c", health.EdgeCrashed)
			c.host("c", health.EdgeCrashed)
			c.expect(c.fire("notice/c")) // the one technician is at b
		})
	}
}

// TestTechnicianCancelsTheRestart: whoever works at a host does not have it restarted under his hands.
func TestTechnicianCancelsTheRestart(t *testing.T) {
	c := newScript(t, technicians(1))
	c.host("a", health.EdgeCrashed)
	c.host("a", health.EdgeCrashed)
	c.expect(c.fire("notice/a"), "boot a safe")
	c.expect(c.fire("restart/a")) // it was due before the technician came
	c.expect(c.host("a", health.EdgeRepairing))
	c.expect(c.fire("restart/a"))
}

// TestTags: timers are numbered from 1, so that journals have the same names for them.
func TestTags(t *testing.T) {
	c := newScript(t, technicians(1))
	var tags []string
	for _, step := range []health.EdgeKind{health.EdgeCrashed, health.EdgeStarting, health.EdgeCrashed} {
		for _, a := range c.policy.Observe([]health.Edge{{Host: 1, Kind: step}}) {
			tags = append(tags, a.Timer.Tag("b"))
		}
	}
	want := []string{"restart/b/1", "notice/b/1", "restart/b/2"}
	if diff := cmp.Diff(want, tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}

// TestVisitsAreCounted: what a technician's time is drawn by counts a host's visits from 1.
func TestVisitsAreCounted(t *testing.T) {
	var drawn []string
	p, err := recovery.New(technicians(1), recovery.Fleet{Hosts: hosts, Chance: func(host, n uint32) *rand.Rand {
		drawn = append(drawn, fmt.Sprintf("%s/%d", name(host), n))
		return rand.New(rand.NewPCG(1, 1))
	}})
	if err != nil {
		t.Fatal(err)
	}
	c := &script{t, p, map[string]recovery.Timer{}}
	for range 2 {
		c.host("a", health.EdgeCrashed)
		c.host("a", health.EdgeCrashed)
		c.fire("notice/a")
		c.host("a", health.EdgeRepairing)
		c.host("a", health.EdgeAnswering)
		c.host("a", health.EdgeDone)
		c.expect(c.fire("hands-on/a"), "boot a normal")
	}
	if diff := cmp.Diff([]string{"a/1", "a/2"}, drawn); diff != "" {
		t.Errorf("draws (-want +got):\n%s", diff)
	}
}

func TestLostHostFreesItsTechnician(t *testing.T) {
	c := newScript(t, technicians(1))
	for _, h := range []string{"a", "b"} {
		c.host(h, health.EdgeCrashed)
		c.host(h, health.EdgeCrashed)
		c.fire("notice/" + h)
	}
	c.expect(c.host("a", health.EdgeLost), "boot b safe")
}

// TestLostHostIsLeftAlone until somebody else boots it; until then health tells nothing of it.
func TestLostHostIsLeftAlone(t *testing.T) {
	for _, r := range []scenarios.Recovery{technicians(1), {Name: "none", Strategy: "none", Restart: scenarios.Duration(s)}} {
		c := newScript(t, r)
		c.host("a", health.EdgeCrashed)
		c.host("a", health.EdgeCrashed)
		c.host("a", health.EdgeLost)
		for name := range c.timers {
			c.expect(c.fire(name)) // what was due before
		}
		c.expect(c.host("a", health.EdgeLost))
		c.expect(c.host("a", health.EdgeStarting))
		c.expect(c.host("a", health.EdgeCrashed), "wait 1s for restart/a")
	}
}

func TestHandsOnDependsOnTheSeedAlone(t *testing.T) {
	wait := func(order ...string) map[string]string {
		r := technicians(3)
		r.HandsOn = scenarios.Distribution{Kind: "lognormal", A: scenarios.Duration(4 * s), P: 0.5}
		c := newScript(t, r)
		waits := map[string]string{}
		for _, h := range order {
			c.host(h, health.EdgeCrashed)
			c.host(h, health.EdgeCrashed)
			c.fire("notice/" + h)
			c.host(h, health.EdgeAnswering)
			waits[h] = c.host(h, health.EdgeDone)[0]
		}
		return waits
	}
	forward, back := wait("a", "b", "c"), wait("c", "b", "a")
	if diff := cmp.Diff(forward, back); diff != "" {
		t.Errorf("hands-on times depend on the order of hosts:\n%s", diff)
	}
	if forward["a"] == forward["b"] {
		t.Errorf("two hosts have the same time: %s", forward["a"])
	}
}

func TestNewRefuses(t *testing.T) {
	for _, r := range []scenarios.Recovery{{Name: "x", Strategy: "prayer"}, {Name: "x", Strategy: "safe_mode"}} {
		if _, err := recovery.New(r, recovery.Fleet{Hosts: 1}); err == nil {
			t.Errorf("%+v was accepted", r)
		}
	}
}

// TestSlowHostIsRepaired: its users see that its work fails.
func TestSlowHostIsRepaired(t *testing.T) {
	c := newScript(t, technicians(1))
	c.expect(c.host("a", health.EdgeSlow), "wait 2s for notice/a")
	c.expect(c.host("a", health.EdgeSlow)) // noticed already
}

// TestStaffInOrder: hosts are seen to in the order in which they were reported, one that left and came again at the
// end.
func TestStaffInOrder(t *testing.T) {
	c := newScript(t, technicians(1))
	for _, h := range []string{"a", "b", "c"} {
		c.host(h, health.EdgeSilent)
	}
	c.expect(c.fire("notice/a"), "boot a safe")
	c.expect(c.fire("notice/b"))
	c.expect(c.host("b", health.EdgeLost))
	c.expect(c.fire("notice/c"))
	c.host("b", health.EdgeStarting)
	c.expect(c.host("b", health.EdgeSilent), "wait 2s for notice/b")
	c.expect(c.fire("notice/b"))
	c.expect(c.host("a", health.EdgeLost), "boot c safe")
	c.expect(c.host("c", health.EdgeLost), "boot b safe")
}

// TestTimersOfBefore: a timer that a host no longer waits for does nothing, whatever the host waits for now.
func TestTimersOfBefore(t *testing.T) {
	c := newScript(t, technicians(1))
	c.expect(c.host("a", health.EdgeSilent), "wait 2s for notice/a")
	before := c.timers["notice/a"]
	c.host("a", health.EdgeLost)
	c.host("a", health.EdgeStarting)
	c.expect(c.host("a", health.EdgeSilent), "wait 2s for notice/a")
	c.expect(c.say(c.policy.Fired(before)))

	// A place in the queue has a number too, here the timer's that led to it, which does not put the host at its end.
	c = newScript(t, technicians(1))
	c.expect(c.host("a", health.EdgeSilent), "wait 2s for notice/a")
	c.expect(c.fire("notice/a"), "boot a safe")
	for _, h := range []string{"b", "c"} { // which wait in this order
		c.host(h, health.EdgeSilent)
		c.expect(c.fire("notice/" + h))
	}
	c.expect(c.fire("notice/b"))
	c.expect(c.host("a", health.EdgeLost), "boot b safe")
}

// TestEveryWay that the language knows is one that New makes, and its needs are named.
func TestEveryWay(t *testing.T) {
	for _, name := range scenarios.Strategies() {
		r := technicians(1)
		r.Strategy = name
		if _, err := recovery.New(r, recovery.Fleet{Hosts: 1}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	want := []fleet.Capability{"action boot", "action reset", "action tell", "mode normal", "mode safe", "order remove_content"}
	if diff := cmp.Diff(want, recovery.Needs(technicians(1))); diff != "" {
		t.Errorf("needs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]fleet.Capability{"action reset"}, recovery.Needs(scenarios.Recovery{Strategy: "none"})); diff != "" {
		t.Errorf("needs of none (-want +got):\n%s", diff)
	}
}
