package fleet

import "slices"

// A Capability is one thing that a backend can do and that a scenario may need: a kind and a name, as in
// "action serve" or "architecture kernel". A backend states all that it has, and a policy, a cell or a scenario states
// what it needs; what is missing is refused before anything boots.
type Capability string

// Capabilities that have no name besides their kind.
const (
	CanDumpMemory Capability = "crash dump"    // a host's memory is kept at its first panic: HostSpec.CrashDump
	CanUseNodes   Capability = "several nodes" // a fleet's hosts can be on more than one machine: HostSpec.Node
	CanClone      Capability = "clone"         // a host's first boot can be a copy of one that has booted
)

// CanDo is the capability to carry out actions of this kind.
func CanDo(kind string) Capability { return Capability("action " + kind) }

// CanBoot is the capability to boot a host into this mode.
func CanBoot(m BootMode) Capability { return Capability("mode " + string(m)) }

// CanRun is the capability to run hosts with an agent of this architecture.
func CanRun(architecture string) Capability { return Capability("architecture " + architecture) }

// CanOrder is the capability of a host's guest program to carry out orders of this kind.
func CanOrder(kind string) Capability { return Capability("order " + kind) }

// CanTakeOops is the capability of a host to take a fault of its kernel in this way.
func CanTakeOops(o Oops) Capability { return Capability("oops " + string(o)) }

// CanKeepTime is the capability to stamp events with this clock.
func CanKeepTime(c Clock) Capability { return Capability("clock " + string(c)) }

// Missing lists what is needed and not there, sorted, each once.
func Missing(has, needs []Capability) []Capability {
	var missing []Capability
	for _, n := range needs {
		if !slices.Contains(has, n) {
			missing = append(missing, n)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}
