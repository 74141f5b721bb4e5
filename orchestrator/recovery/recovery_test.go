package recovery_test

import (
	"fmt"
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

// A script drives a policy by hand and writes down what it answers.
type script struct {
	t      *testing.T
	policy recovery.Policy
	tags   map[string]string // timers that were asked for, by the beginning of their tag: "restart/a"
}

func newScript(t *testing.T, r scenarios.Recovery) *script {
	t.Helper()
	p, err := recovery.New(r, 1)
	if err != nil {
		t.Fatal(err)
	}
	return &script{t, p, map[string]string{}}
}

func (c *script) tell(e fleet.Event, changes ...health.Change) []string {
	said := []string{}
	for _, step := range c.policy.Observe(e, changes) {
		if step.Action != nil {
			said = append(said, fmt.Sprintf("%s %+v", step.Action.Kind(), step.Action))
			continue
		}
		name := step.Tag[:strings.LastIndex(step.Tag, "/")]
		if c.tags[name] == step.Tag {
			c.t.Errorf("the tag %q is used twice", step.Tag)
		}
		c.tags[name] = step.Tag
		said = append(said, fmt.Sprintf("wait %s for %s", step.Wait, name))
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

func (c *script) host(name string, what fleet.Happening, changes ...health.Change) []string {
	return c.tell(fleet.Event{Host: name, What: what}, changes...)
}

func (c *script) fire(name string) []string {
	tag, ok := c.tags[name]
	if !ok {
		c.t.Fatalf("no timer %q was asked for", name)
	}
	return c.tell(fleet.Event{What: fleet.TimerFired{Tag: tag}})
}

func up(host string) health.Change {
	return health.Change{Host: host, From: health.Down, To: health.Unprotected}
}

func hung(host string) health.Change {
	return health.Change{Host: host, From: health.Protected, To: health.Hung}
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
		c.expect(c.host("a", fleet.Panic{}), "wait 3s for restart/a")
		c.expect(c.fire("restart/a"), "reset {Host:a}")
	}
	c.expect(c.host("a", fleet.Panic{}), "wait 3s for restart/a")
	c.host("a", fleet.Booting{})
	c.expect(c.fire("restart/a")) // somebody else has booted it
}

func TestSafeMode(t *testing.T) {
	c := newScript(t, technicians(1))
	c.expect(c.host("a", fleet.Panic{}), "wait 1s for restart/a")
	c.expect(c.fire("restart/a"), "reset {Host:a}")
	c.expect(c.host("a", fleet.Panic{}), "wait 2s for notice/a", "wait 1s for restart/a")
	c.expect(c.fire("restart/a"), "reset {Host:a}")
	c.host("b", fleet.Panic{})
	c.expect(c.host("b", fleet.Panic{}), "wait 2s for notice/b", "wait 1s for restart/b")

	c.expect(c.fire("notice/a"), "boot {Host:a Mode:safe}")
	c.expect(c.fire("notice/b")) // the one technician is busy
	c.expect(c.host("a", fleet.Booting{Mode: fleet.Safe}))
	c.expect(c.host("a", fleet.Hello{Mode: fleet.Safe}), "tell {Host:a Order:{ID:1 Kind:remove_content Args:map[]}}")
	c.expect(c.host("a", fleet.OrderDone{ID: 1, Order: fleet.RemoveContent}), "wait 4s for hands-on/a")
	c.expect(c.fire("hands-on/a"), "boot {Host:a Mode:normal}", "boot {Host:b Mode:safe}")

	// A host that crashes again after its repair is looped anew before it is noticed.
	c.expect(c.host("a", fleet.Panic{}), "wait 1s for restart/a")
	c.expect(c.host("a", fleet.Panic{}), "wait 2s for notice/a", "wait 1s for restart/a")
}

func TestHostThatComesBackByItselfNeedsNobody(t *testing.T) {
	c := newScript(t, technicians(1))
	c.host("a", fleet.Panic{})
	c.host("a", fleet.Panic{})
	c.expect(c.host("a", fleet.Beat{}, up("a")))
	c.expect(c.fire("notice/a"))
}

func TestQueuedHostThatComesBackIsPassedOver(t *testing.T) {
	c := newScript(t, technicians(1))
	for _, h := range []string{"a", "b", "c"} {
		c.host(h, fleet.Panic{})
		c.host(h, fleet.Panic{})
	}
	c.expect(c.fire("notice/a"), "boot {Host:a Mode:safe}")
	c.expect(c.fire("notice/b"))
	c.expect(c.fire("notice/c"))
	c.host("b", fleet.Beat{}, up("b"))
	c.host("a", fleet.Hello{Mode: fleet.Safe})
	c.host("a", fleet.OrderDone{ID: 1, Order: fleet.RemoveContent})
	c.expect(c.fire("hands-on/a"), "boot {Host:a Mode:normal}", "boot {Host:c Mode:safe}")
}

func TestHungHostIsRepaired(t *testing.T) {
	c := newScript(t, technicians(2))
	c.expect(c.tell(fleet.Event{What: fleet.TimerFired{Tag: "tick"}}, hung("a")), "wait 2s for notice/a")
	c.expect(c.fire("notice/a"), "boot {Host:a Mode:safe}")
}

// TestPanicOnTheWayToSafeMode: a host goes on with its loop until its boot into safe mode begins, and the technician stays.
func TestPanicOnTheWayToSafeMode(t *testing.T) {
	c := newScript(t, technicians(1))
	c.host("a", fleet.Panic{})
	c.host("a", fleet.Panic{})
	c.expect(c.fire("notice/a"), "boot {Host:a Mode:safe}")
	c.expect(c.host("a", fleet.Booting{Mode: fleet.Normal}))
	c.expect(c.host("a", fleet.Panic{}))
	c.expect(c.host("a", fleet.Booting{Mode: fleet.Safe}))
	c.expect(c.host("a", fleet.Hello{Mode: fleet.Safe}), "tell {Host:a Order:{ID:1 Kind:remove_content Args:map[]}}")
}

func TestRepairThatFailsIsTriedAgain(t *testing.T) {
	for name, fail := range map[string]func(c *script) []string{
		"safe mode panics": func(c *script) []string {
			return c.host("a", fleet.Panic{})
		},
		"safe mode does not boot": func(c *script) []string {
			return c.host("a", fleet.BootFailed{}, hung("a"))
		},
		"safe mode falls silent": func(c *script) []string {
			c.host("a", fleet.Hello{Mode: fleet.Safe})
			return c.tell(fleet.Event{What: fleet.TimerFired{Tag: "tick"}}, hung("a"))
		},
		"content cannot be removed": func(c *script) []string {
			c.host("a", fleet.Hello{Mode: fleet.Safe})
			return c.host("a", fleet.OrderDone{ID: 1, Order: fleet.RemoveContent, Error: "read-only file system"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newScript(t, technicians(1))
			c.host("a", fleet.Panic{})
			c.host("a", fleet.Panic{})
			c.host("b", fleet.Panic{})
			c.host("b", fleet.Panic{})
			c.fire("notice/a")
			c.fire("notice/b")
			c.host("a", fleet.Booting{Mode: fleet.Safe})
			got := fail(c)
			if len(got) < 2 || got[0] != "wait 2s for notice/a" || got[1] != "boot {Host:b Mode:safe}" {
				t.Fatalf("steps %q: want a noticed again and the technician at b", got)
			}
		})
	}
}

func TestLostHostFreesItsTechnician(t *testing.T) {
	c := newScript(t, technicians(1))
	for _, h := range []string{"a", "b"} {
		c.host(h, fleet.Panic{})
		c.host(h, fleet.Panic{})
		c.fire("notice/" + h)
	}
	c.expect(c.host("a", fleet.InfraFailed{}), "boot {Host:b Mode:safe}")
}

// TestLostHostIsLeftAlone, whatever still comes from it, until somebody else boots it.
func TestLostHostIsLeftAlone(t *testing.T) {
	for _, r := range []scenarios.Recovery{technicians(1), {Name: "none", Strategy: "none", Restart: scenarios.Duration(s)}} {
		c := newScript(t, r)
		c.host("a", fleet.Panic{})
		c.host("a", fleet.Panic{})
		c.host("a", fleet.InfraFailed{})
		for name := range c.tags {
			c.expect(c.fire(name)) // what was due before
		}
		c.expect(c.host("a", fleet.Panic{}))
		c.expect(c.host("a", fleet.Panic{}))
		c.expect(c.host("a", fleet.BootFailed{}, hung("a")))
		c.expect(c.host("a", fleet.InfraFailed{}))
		c.expect(c.host("a", fleet.Booting{}))
		c.expect(c.host("a", fleet.Panic{}), "wait 1s for restart/a")
	}
}

func TestHandsOnDependsOnTheSeedAlone(t *testing.T) {
	wait := func(order ...string) map[string]string {
		r := technicians(3)
		r.HandsOn = scenarios.Distribution{Kind: "lognormal", A: scenarios.Duration(4 * s), P: 0.5}
		c := newScript(t, r)
		waits := map[string]string{}
		for _, h := range order {
			c.host(h, fleet.Panic{})
			c.host(h, fleet.Panic{})
			c.fire("notice/" + h)
			c.host(h, fleet.Hello{Mode: fleet.Safe})
			waits[h] = c.host(h, fleet.OrderDone{Order: fleet.RemoveContent})[0]
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
		if _, err := recovery.New(r, 1); err == nil {
			t.Errorf("%+v was accepted", r)
		}
	}
}
