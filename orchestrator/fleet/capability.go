package fleet

import (
	"fmt"
	"slices"
	"strings"
)

// A Capability is one thing that a backend can do and that a scenario may need: a kind and a name, as in
// "action serve" or "architecture kernel". A backend states all that it has, and a policy, a cell or a scenario states
// what it needs; what is missing is refused before anything boots.
type Capability string

// Capabilities that have no name besides their kind. To start hosts as copies is none: whoever cannot boots them, which
// takes longer and comes to the same.
const (
	CanDumpMemory Capability = "crash dump"    // a host's memory is kept at its first panic: HostSpec.CrashDump
	CanUseNodes   Capability = "several nodes" // hosts are on the machines that their specs name: HostSpec.Node
	CanRunBeside  Capability = "side by side"  // several fleets can be under way at a time, and none is told by that of the others
)

// CanDo is the capability to carry out actions of this kind, one of ActionKinds.
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

// Words tell people what the capability is to do; they follow "can" or "cannot".
func (c Capability) Words() string {
	switch c {
	case CanDumpMemory:
		return "keep a host's memory at its first panic"
	case CanUseNodes:
		return "put hosts on machines that host blocks name"
	case CanRunBeside:
		return "have several fleets under way at a time"
	}
	kind, name, _ := strings.Cut(string(c), " ")
	switch kind {
	case "action":
		return fmt.Sprintf("carry out the action %q", name)
	case "mode":
		return fmt.Sprintf("boot a host into the mode %q", name)
	case "architecture":
		return fmt.Sprintf("run hosts of the architecture %q", name)
	case "order":
		return fmt.Sprintf("give a guest the order %q", name)
	case "oops":
		return fmt.Sprintf("run hosts whose kernel takes a fault of its own by %q", name)
	case "clock":
		return fmt.Sprintf("keep the %s clock", name)
	}
	return string(c)
}

// Needed lists what a fleet needs to carry an action out.
func Needed(a Action) []Capability {
	needs := []Capability{CanDo(a.Kind())}
	switch a := a.(type) {
	case Boot:
		needs = append(needs, CanBoot(a.Mode))
	case Tell:
		needs = append(needs, CanOrder(a.Order.Kind))
	}
	return needs
}

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
