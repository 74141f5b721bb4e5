package health

import (
	"fmt"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// An Edge is what a policy learns of a host: one passage, of one host, known at one time. It names the host by its
// number within the fleet, so that it costs the same in a fleet of ten and of ten million. Backends of machines have
// their events turned into edges by [Fleet]; a simulation can state edges itself.
type Edge struct {
	At   time.Duration // when it is known, on the fleet's clock
	Host uint32
	Kind EdgeKind
}

// An EdgeKind is what an edge says.
type EdgeKind uint8

// The kinds of edges. A host that the testbed has failed has none from [EdgeLost] on, until it is booted anew.
const (
	EdgeUp        EdgeKind = iota + 1 // it does its work, protected or not
	EdgeSlow                          // it beats, and its work misses its latency or fails: its users see that
	EdgeSilent                        // no sign of life for as long as the liveness window: its users see that too
	EdgeDown                          // it does its work no more: it boots, is off, or serves its repair
	EdgeCrashed                       // its kernel panicked
	EdgeStarting                      // it was given power, with the agent
	EdgeRepairing                     // it was given power, into safe mode
	EdgeAnswering                     // in safe mode, its guest program can be told what to do
	EdgeDone                          // an order was carried out
	EdgeFailed                        // an order could not be carried out
	EdgeExposed                       // it took the content that it is offered
	EdgeOff                           // its power is gone
	EdgeLost                          // the testbed failed it
)

var edgeNames = [...]string{
	EdgeUp: "up", EdgeSlow: "slow", EdgeSilent: "silent", EdgeDown: "down", EdgeCrashed: "crashed",
	EdgeStarting: "starting", EdgeRepairing: "repairing", EdgeAnswering: "answering", EdgeDone: "done",
	EdgeFailed: "failed", EdgeExposed: "exposed", EdgeOff: "off", EdgeLost: "lost",
}

// String is the kind in a word.
func (k EdgeKind) String() string {
	if int(k) < len(edgeNames) && edgeNames[k] != "" {
		return edgeNames[k]
	}
	return fmt.Sprintf("EdgeKind(%d)", uint8(k))
}

// ofState is what a passage into a state says.
func ofState(s State) EdgeKind {
	switch {
	case s.Available():
		return EdgeUp
	case s == Degraded:
		return EdgeSlow
	case s == Hung:
		return EdgeSilent
	}
	return EdgeDown
}

// ofEvent is what an event of a host says besides the host's passage into a state; false when it says nothing.
func ofEvent(what fleet.Happening) (EdgeKind, bool) {
	switch w := what.(type) {
	case fleet.Panic:
		return EdgeCrashed, true
	case fleet.Booting:
		if w.Mode == fleet.Safe {
			return EdgeRepairing, true
		}
		return EdgeStarting, true
	case fleet.Hello:
		return EdgeAnswering, w.Mode == fleet.Safe
	case fleet.OrderDone:
		if w.Error != "" {
			return EdgeFailed, true
		}
		return EdgeDone, true
	case fleet.Fetched:
		return EdgeExposed, true
	case fleet.PoweredOff:
		return EdgeOff, true
	case fleet.InfraFailed:
		return EdgeLost, true
	}
	return 0, false
}
