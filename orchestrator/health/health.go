// Package health derives each host's state from events alone. It is a pure function of a host's events: the
// orchestrator uses it as they come, and measure uses it again on the journal, with the same outcome.
//
// Nothing here believes the agent: a host is protected because synthetic threats were stopped or reported, not because
// its agent says that it runs. Only probes decide, see [fleet.Threat.Probe].
package health

import (
	"time"

	"github.com/fleetfall/fleetfall/agents/architecture"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// A State is what a host is in at one instant.
type State string

const (
	Off         State = "off"         // no power
	Down        State = "down"        // panicked, resetting, booting
	Repair      State = "repair"      // booted, or booting, into something that only serves its repair
	Hung        State = "hung"        // runs, did not panic, and has sent no beat, nor hello, for the liveness window
	Degraded    State = "degraded"    // beats arrive, and the workload missed its latency bound or failed when it was heard of last
	Unprotected State = "unprotected" // beats arrive, the workload runs, of some kind of probe the last was missed, or none was seen yet
	Protected   State = "protected"   // beats arrive, the workload runs, of each kind of probe the last was stopped or reported
)

// States lists every state, from the best to the worst for those who depend on a host.
func States() []State { return []State{Protected, Unprotected, Degraded, Hung, Repair, Down, Off} }

// Available tells whether a host in this state does its work.
func (s State) Available() bool { return s == Protected || s == Unprotected }

// Steady is the state of a host of this architecture that has no trouble: without an agent nothing detects threats.
func Steady(of string) State {
	if of == architecture.None {
		return Unprotected
	}
	return Protected
}

// Limits are the bounds that states depend on.
type Limits struct {
	Liveness time.Duration // no beat nor hello for this long: hung
	Latency  time.Duration // a workload unit slower than this: degraded
	// Forgets: a beat that tells of no unit of work is taken to say that all is well with it. So it was taken in runs that
	// draw by name, which are replayed and measured as they were run.
	Forgets bool
}

// A Span is a stretch of time in one state. Adjoining spans differ in state.
type Span struct {
	State    State
	From, To time.Duration
}

// A Change is a host's passage from one state to another.
type Change struct {
	At       time.Duration // from when on it can be known; of a host that fell silent, the end of its liveness window
	Since    time.Duration // the host's last sign of life before it, which nobody but who measures may look at
	From, To State
}

// A Host is the state of one host, and its history. The zero value is not usable; see NewHost.
type Host struct {
	limits Limits

	state    State
	since    time.Duration // of state
	spans    []Span        // before since
	mode     fleet.BootMode
	lastSign time.Duration   // of life: hello or beat
	speaking bool            // it has said hello since the last boot, and was not found hung or crashed since
	beating  bool            // a beat came since the last boot in normal mode, and it speaks
	crashed  bool            // panicked since the last boot: what arrives late of that boot says nothing any more
	slow     bool            // as of the last beat
	probes   map[string]bool // by kind, those seen since the last boot: whether the last was stopped or reported

	panics    int // since the last healthy beat: one after which the host does its work
	BootLoops int // episodes of two or more panics with no healthy beat between
	Content   uint64
	Invalid   string // why this sample does not count; empty when it does
	Retried   int    // boots that were tried again after an infrastructure failure
}

// NewHost is a host that is off at time zero.
func NewHost(limits Limits) *Host {
	return &Host{limits: limits, state: Off, mode: fleet.Normal, probes: map[string]bool{}}
}

// State is the state as of the last event or Advance.
func (h *Host) State() State { return h.state }

// Since is when the present state began.
func (h *Host) Since() time.Duration { return h.since }

// Looping tells whether the host has panicked twice or more without a healthy beat.
func (h *Host) Looping() bool { return h.panics >= 2 }

// Spans is the history up to end, the present state included. Empty stretches are left out.
func (h *Host) Spans(end time.Duration) []Span {
	spans := append([]Span(nil), h.spans...)
	if end > h.since {
		spans = append(spans, Span{h.state, h.since, end})
	}
	return spans
}

// Observe takes the host's next event, and returns the changes of state up to and with it, in order.
func (h *Host) Observe(e fleet.Event) []Change {
	changes := h.Advance(e.At)
	switch w := e.What.(type) {
	case fleet.Booting:
		if h.Invalid != "" { // nobody boots a host that the testbed failed but to try again from the start
			h.Invalid, h.panics = "", 0
			h.Retried++
		}
		h.silent()
		h.mode, h.crashed, h.slow = w.Mode, false, false
		clear(h.probes)
		if w.Mode == fleet.Safe {
			changes = h.to(changes, e.At, Repair)
		} else {
			changes = h.to(changes, e.At, Down)
		}
	case fleet.Hello:
		changes = h.sign(changes, e.At)
	case fleet.Threat:
		if w.Probe() {
			h.probes[w.What] = w.Detected()
			changes = h.assess(changes, e.At)
		}
	case fleet.Beat:
		if h.crashed {
			break
		}
		h.Content = w.ContentVersion
		changes = h.sign(changes, e.At)
		if h.mode == fleet.Normal {
			h.beating = true
			// Without a unit nothing is known of its work: one that hangs is told of once in a while.
			if w.WorkUnits > 0 || h.limits.Forgets {
				h.slow = w.WorkMax > h.limits.Latency || w.WorkFailed > 0
			}
			changes = h.assess(changes, e.At)
			if h.state.Available() {
				h.panics = 0
			}
		}
	case fleet.Panic:
		h.silent()
		h.crashed = true
		h.panics++
		if h.panics == 2 {
			h.BootLoops++
		}
		changes = h.to(changes, e.At, Down)
	case fleet.BootFailed:
		h.silent()
		changes = h.to(changes, e.At, Hung)
	case fleet.PoweredOff:
		h.silent()
		changes = h.to(changes, e.At, Off)
	case fleet.InfraFailed:
		h.Invalid = w.Op + ": " + w.Reason
		h.silent()
		changes = h.to(changes, e.At, Off)
	}
	return changes
}

// Advance tells that time has come to now with nothing else seen. The change to hung is dated when the window ended.
func (h *Host) Advance(now time.Duration) []Change {
	if at, speaks := h.deadline(); speaks && now > at {
		h.silent()
		return h.to(nil, at, Hung)
	}
	return nil
}

// deadline is the end of the liveness window of a host that speaks.
func (h *Host) deadline() (at time.Duration, speaks bool) {
	return h.lastSign + h.limits.Liveness, h.speaking
}

// sign notes that the host lives. One that was found hung in safe mode serves its repair again.
func (h *Host) sign(changes []Change, at time.Duration) []Change {
	if h.crashed {
		return changes
	}
	h.lastSign, h.speaking = at, true
	if h.mode == fleet.Safe {
		return h.to(changes, at, Repair)
	}
	return changes
}

// silent says that nothing is to be expected of the host until it speaks again.
func (h *Host) silent() { h.speaking, h.beating = false, false }

// assess judges a host that beats.
func (h *Host) assess(changes []Change, at time.Duration) []Change {
	switch {
	case !h.beating:
		return changes
	case h.slow:
		return h.to(changes, at, Degraded)
	case h.probed():
		return h.to(changes, at, Protected)
	}
	return h.to(changes, at, Unprotected)
}

// probed tells whether probes were seen, and of each kind the last was detected: content that lost one of the rules for
// them protects no more.
func (h *Host) probed() bool {
	for _, detected := range h.probes {
		if !detected {
			return false
		}
	}
	return len(h.probes) > 0
}

func (h *Host) to(changes []Change, at time.Duration, s State) []Change {
	if s == h.state {
		return changes
	}
	changes = append(changes, Change{at, h.lastSign, h.state, s})
	if at > h.since {
		h.spans = append(h.spans, Span{h.state, h.since, at})
	}
	// A state left at the instant it was entered leaves no span; the one before may be entered again.
	if n := len(h.spans); n > 0 && h.spans[n-1].State == s && h.spans[n-1].To == at {
		h.state, h.since = s, h.spans[n-1].From
		h.spans = h.spans[:n-1]
		return changes
	}
	h.state, h.since = s, at
	return changes
}
