package health_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/health"
)

const s = time.Second

var (
	limits  = health.Limits{Liveness: 10 * s, Latency: s}
	normal  = fleet.Booting{Mode: fleet.Normal}
	safe    = fleet.Booting{Mode: fleet.Safe}
	beat    = fleet.Beat{WorkUnits: 1, WorkMax: s / 10, WorkTotal: s / 10}
	slow    = fleet.Beat{WorkUnits: 1, WorkMax: 2 * s, WorkTotal: 2 * s}
	failing = fleet.Beat{WorkUnits: 1, WorkFailed: 1}
	stopped = fleet.Threat{What: "exec", Blocked: true}
	told    = fleet.Threat{What: "mark", Reported: true}
	missed  = fleet.Threat{What: "mark"}
	unseen  = fleet.Threat{What: "rename"}
	renamed = fleet.Threat{What: "rename", Reported: true}
	panics  = fleet.Panic{Title: "page fault"}
)

func TestSpans(t *testing.T) {
	type at struct {
		at   time.Duration
		what fleet.Happening
	}
	span := func(state health.State, from, to time.Duration) health.Span {
		return health.Span{State: state, From: from, To: to}
	}
	for _, c := range []struct {
		name   string
		events []at
		end    time.Duration
		want   []health.Span
		loops  int
	}{
		{"never booted", nil, 5 * s, []health.Span{span("off", 0, 5*s)}, 0},
		{
			"a boot is down until the first beat, and protected only when a threat was stopped",
			[]at{{1 * s, normal}, {3 * s, fleet.Hello{}}, {4 * s, beat}, {5 * s, stopped}}, 6 * s,
			[]health.Span{span("off", 0, 1*s), span("down", 1*s, 4*s), span("unprotected", 4*s, 5*s), span("protected", 5*s, 6*s)}, 0,
		},
		{
			"a threat that was only reported counts as well",
			[]at{{0, normal}, {1 * s, told}, {1 * s, beat}, {2 * s, missed}, {3 * s, beat}}, 4 * s,
			[]health.Span{span("down", 0, 1*s), span("protected", 1*s, 2*s), span("unprotected", 2*s, 4*s)}, 0,
		},
		{
			"a host is protected while the last probe of each kind was detected",
			[]at{{0, normal}, {1 * s, stopped}, {1 * s, missed}, {1 * s, beat}, {2 * s, stopped}, {2 * s, beat}, {3 * s, told}, {4 * s, beat}}, 5 * s,
			[]health.Span{span("down", 0, 1*s), span("unprotected", 1*s, 3*s), span("protected", 3*s, 5*s)}, 0,
		},
		{
			"threats that are no probes tell nothing of the state",
			[]at{{0, normal}, {1 * s, renamed}, {1 * s, beat}, {2 * s, stopped}, {3 * s, unseen}, {3 * s, beat}}, 4 * s,
			[]health.Span{span("down", 0, 1*s), span("unprotected", 1*s, 2*s), span("protected", 2*s, 4*s)}, 0,
		},
		{
			"silence is hung from the end of the window, and a beat ends it",
			[]at{{0, normal}, {1 * s, stopped}, {1 * s, beat}, {20 * s, beat}}, 21 * s,
			[]health.Span{span("down", 0, 1*s), span("protected", 1*s, 11*s), span("hung", 11*s, 20*s), span("protected", 20*s, 21*s)}, 0,
		},
		{
			"silence up to the end counts too",
			[]at{{0, normal}, {1 * s, stopped}, {1 * s, beat}}, 21 * s,
			[]health.Span{span("down", 0, 1*s), span("protected", 1*s, 11*s), span("hung", 11*s, 21*s)}, 0,
		},
		{
			"silence after a hello is hung as well",
			[]at{{0, normal}, {1 * s, fleet.Hello{}}}, 21 * s,
			[]health.Span{span("down", 0, 11*s), span("hung", 11*s, 21*s)}, 0,
		},
		{
			"so it is in safe mode, and a beat ends it",
			[]at{{0, safe}, {1 * s, fleet.Hello{Mode: fleet.Safe}}, {5 * s, beat}, {20 * s, beat}}, 21 * s,
			[]health.Span{span("repair", 0, 15*s), span("hung", 15*s, 20*s), span("repair", 20*s, 21*s)}, 0,
		},
		{
			"a boot that has said nothing yet may take its time",
			[]at{{0, normal}, {1 * s, fleet.Hello{}}, {2 * s, beat}, {3 * s, normal}}, 90 * s,
			[]health.Span{span("down", 0, 2*s), span("unprotected", 2*s, 3*s), span("down", 3*s, 90*s)}, 0,
		},
		{
			"a slow or failing workload is degraded",
			[]at{{0, normal}, {1 * s, stopped}, {1 * s, slow}, {2 * s, beat}, {3 * s, failing}}, 4 * s,
			[]health.Span{span("down", 0, 1*s), span("degraded", 1*s, 2*s), span("protected", 2*s, 3*s), span("degraded", 3*s, 4*s)}, 0,
		},
		{
			"a boot loop is one episode however many panics it has, and a healthy beat ends it",
			[]at{
				{0, normal}, {1 * s, panics}, {2 * s, normal}, {3 * s, panics}, {4 * s, normal}, {5 * s, panics},
				{6 * s, normal}, {7 * s, beat}, {8 * s, panics}, {9 * s, normal}, {10 * s, panics},
			}, 11 * s,
			[]health.Span{span("down", 0, 7*s), span("unprotected", 7*s, 8*s), span("down", 8*s, 11*s)}, 2,
		},
		{
			"beats in safe mode are repair and end no boot loop",
			[]at{{0, normal}, {1 * s, panics}, {2 * s, safe}, {3 * s, beat}, {4 * s, normal}, {5 * s, panics}}, 6 * s,
			[]health.Span{span("down", 0, 2*s), span("repair", 2*s, 4*s), span("down", 4*s, 6*s)}, 1,
		},
		{
			"a threat's outcome of the boot before says nothing",
			[]at{{0, normal}, {1 * s, stopped}, {1 * s, beat}, {2 * s, normal}, {3 * s, beat}}, 4 * s,
			[]health.Span{span("down", 0, 1*s), span("protected", 1*s, 2*s), span("down", 2*s, 3*s), span("unprotected", 3*s, 4*s)}, 0,
		},
		{
			"no hello is hung, no power is off",
			[]at{{0, normal}, {3 * s, fleet.BootFailed{}}, {4 * s, fleet.PoweredOff{}}}, 5 * s,
			[]health.Span{span("down", 0, 3*s), span("hung", 3*s, 4*s), span("off", 4*s, 5*s)}, 0,
		},
		{
			"a late beat of a kernel that panicked does not bring it back",
			[]at{{0, normal}, {1 * s, stopped}, {1 * s, beat}, {2 * s, panics}, {2 * s, missed}, {2 * s, beat}}, 3 * s,
			[]health.Span{span("down", 0, 1*s), span("protected", 1*s, 2*s), span("down", 2*s, 3*s)}, 0,
		},
		{
			"a beat of a host that does no work is no healthy one, and ends no boot loop",
			[]at{
				{0, normal}, {1 * s, panics}, {2 * s, normal}, {3 * s, panics}, {4 * s, normal}, {5 * s, failing}, {6 * s, panics},
				{7 * s, normal}, {8 * s, slow}, {9 * s, panics},
			}, 10 * s,
			[]health.Span{
				span("down", 0, 5*s), span("degraded", 5*s, 6*s), span("down", 6*s, 8*s), span("degraded", 8*s, 9*s), span("down", 9*s, 10*s),
			}, 1,
		},
		{
			"work that hangs is told of once in a while, and a beat between says nothing of it",
			[]at{
				{0, normal}, {1 * s, beat}, {5 * s, fleet.Beat{}}, {6 * s, fleet.Beat{WorkUnits: 1, WorkFailed: 1, WorkHung: 1}},
				{11 * s, fleet.Beat{}}, {16 * s, fleet.Beat{WorkUnits: 1, WorkFailed: 1, WorkHung: 1}}, {21 * s, fleet.Beat{}}, {26 * s, beat},
			}, 30 * s,
			[]health.Span{
				span("down", 0, 1*s), span("unprotected", 1*s, 6*s), span("degraded", 6*s, 26*s), span("unprotected", 26*s, 30*s),
			}, 0,
		},
		{
			"a unit of work at the bound is not too slow, and a host whose window just ends is not silent yet",
			[]at{{0, normal}, {1 * s, fleet.Beat{WorkUnits: 1, WorkMax: limits.Latency}}}, 11 * s,
			[]health.Span{span("down", 0, 1*s), span("unprotected", 1*s, 11*s)}, 0,
		},
		{
			"a state that is left at the instant it was entered leaves no span",
			[]at{{0, normal}, {1 * s, beat}, {2 * s, panics}, {2 * s, normal}, {2 * s, beat}, {2 * s, stopped}}, 2 * s,
			[]health.Span{span("down", 0, 1*s), span("unprotected", 1*s, 2*s)}, 0,
		},
		{
			"and the state that it was in before goes on",
			[]at{{0, normal}, {1 * s, beat}, {2 * s, panics}, {2 * s, normal}, {2 * s, beat}}, 3 * s,
			[]health.Span{span("down", 0, 1*s), span("unprotected", 1*s, 3*s)}, 0,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := health.NewHost(limits)
			var changes []health.Change
			for _, e := range c.events {
				changes = append(changes, h.Observe(fleet.Event{At: e.at, Host: "a", What: e.what})...)
			}
			changes = append(changes, h.Advance(c.end)...)
			if diff := cmp.Diff(c.want, h.Spans(c.end)); diff != "" {
				t.Errorf("spans (-want +got):\n%s", diff)
			}
			if h.BootLoops != c.loops {
				t.Errorf("%d boot loops, want %d", h.BootLoops, c.loops)
			}
			state := health.Off
			for _, x := range changes {
				if x.From != state {
					t.Errorf("change %+v, but the state was %s", x, state)
				}
				state = x.To
			}
			if state != h.State() {
				t.Errorf("the changes end in %s, the host in %s", state, h.State())
			}
		})
	}
}

// TestWindow: a host may be silent for as long as its window, and a fleet finds it silent right after, also when it was
// looked at because of an earlier sign of life.
func TestWindow(t *testing.T) {
	h := health.NewHost(limits)
	f := health.NewFleet([]string{"a"}, limits)
	for _, e := range []fleet.Event{{Host: "a", What: normal}, {At: 1 * s, Host: "a", What: beat}, {At: 2 * s, Host: "a", What: beat}} {
		h.Observe(e)
		f.Observe(e)
	}
	tick := func(at time.Duration) int {
		return len(f.Observe(fleet.Event{At: at, What: fleet.TimerFired{Tag: "tick"}}))
	}
	end := 2*s + limits.Liveness
	if changes, edges := h.Advance(end), tick(end); len(changes) > 0 || edges > 0 || h.State() != health.Unprotected {
		t.Errorf("at the end of its window: %+v, %d edges, %s", changes, edges, h.State())
	}
	if changes, edges := h.Advance(end+1), tick(end+1); len(changes) != 1 || edges != 1 || h.State() != health.Hung {
		t.Errorf("after its window: %+v, %d edges, %s", changes, edges, h.State())
	}
}

// TestForgets: runs of before took a beat without work for a sign that work is well.
func TestForgets(t *testing.T) {
	forgetful := limits
	forgetful.Forgets = true
	h := health.NewHost(forgetful)
	for i, what := range []fleet.Happening{normal, failing, fleet.Beat{}} {
		h.Observe(fleet.Event{At: time.Duration(i) * s, Host: "a", What: what})
	}
	if h.State() != health.Unprotected {
		t.Errorf("it is %s, want what it was taken for", h.State())
	}
}

// TestLooping: two panics are a loop, one is none.
func TestLooping(t *testing.T) {
	h := health.NewHost(limits)
	for i, want := range []bool{false, true, true} {
		h.Observe(fleet.Event{At: time.Duration(2*i) * s, Host: "a", What: normal})
		h.Observe(fleet.Event{At: time.Duration(2*i+1) * s, Host: "a", What: panics})
		if h.Looping() != want {
			t.Errorf("looping after %d panics: %v", i+1, h.Looping())
		}
	}
}

// TestWords: each kind of edge has a word of its own, and what is none is told by its number.
func TestWords(t *testing.T) {
	seen := map[string]bool{}
	for k := health.EdgeUp; k <= health.EdgeLost; k++ {
		if w := k.String(); w == "" || strings.Contains(w, "(") || seen[w] {
			t.Errorf("edge %d is %q", k, w)
		}
		seen[k.String()] = true
	}
	for k, want := range map[health.EdgeKind]string{0: "EdgeKind(0)", health.EdgeLost + 1: "EdgeKind(14)", 255: "EdgeKind(255)"} {
		if k.String() != want {
			t.Errorf("edge %d is %q, want %q", k, k, want)
		}
	}
	available := map[health.State]bool{health.Protected: true, health.Unprotected: true}
	for _, state := range health.States() {
		if state.Available() != available[state] {
			t.Errorf("%s: available is %v", state, state.Available())
		}
	}
	if health.Steady("none") != health.Unprotected || health.Steady("kernel") != health.Protected {
		t.Error("a host without an agent has nothing to be protected by, and one with it is protected")
	}
}

func TestInfrastructureFailureInvalidates(t *testing.T) {
	h := health.NewHost(limits)
	h.Observe(fleet.Event{At: s, Host: "a", What: fleet.InfraFailed{Op: "create domain", Reason: "no memory"}})
	if h.Invalid != "create domain: no memory" || h.State() != health.Off {
		t.Errorf("invalid %q, state %s", h.Invalid, h.State())
	}
}

func TestBootAfterInfrastructureFailureIsARetry(t *testing.T) {
	h := health.NewHost(limits)
	see := func(at time.Duration, what fleet.Happening) {
		h.Observe(fleet.Event{At: at, Host: "a", What: what})
	}
	see(1*s, normal)
	see(2*s, panics)
	see(3*s, fleet.InfraFailed{Op: "create domain", Reason: "no memory"})
	see(4*s, normal)
	if h.Invalid != "" || h.Retried != 1 || h.State() != health.Down {
		t.Errorf("invalid %q, retried %d, state %s; want a valid host that is down", h.Invalid, h.Retried, h.State())
	}
	see(5*s, panics)
	if h.Looping() {
		t.Error("a panic of the boot that was given up counts towards a boot loop")
	}
	see(6*s, normal)
	if h.Retried != 1 {
		t.Errorf("retried %d, want a boot after a panic to be none", h.Retried)
	}
	see(7*s, fleet.InfraFailed{Op: "read console", Reason: "gone"})
	if h.Invalid != "read console: gone" || h.Retried != 1 {
		t.Errorf("invalid %q, retried %d after a second failure", h.Invalid, h.Retried)
	}
}
