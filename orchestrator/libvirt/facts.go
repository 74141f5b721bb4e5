package libvirt

import (
	"fmt"
	"strings"

	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// Facts implements backend.Backend.
func (t *testbed) Facts() []backend.Fact {
	var facts []backend.Fact
	for i, m := range t.machines {
		f := m.Facts()
		facts = append(facts,
			backend.Fact{Name: of("accelerator", f.Node), Value: f.Accelerator.Name + " (" + f.Accelerator.Reason + ")"},
			backend.Fact{Name: of("QEMU", f.Node), Value: f.QEMU},
			backend.Fact{Name: of("libvirt", f.Node), Value: f.Libvirt},
			backend.Fact{Name: of("libvirt daemon", f.Node), Value: daemonKind(f)},
			backend.Fact{Name: of("QEMU runs as", f.Node), Value: f.Account},
			backend.Fact{Name: of("machine", f.Node), Value: fmt.Sprintf("%d CPUs, %s, kernel %s", m.CPUs(), f.CPU, f.Kernel)},
		)
		boots := "first boots"
		if t.clock == fleet.VirtualClock {
			boots = "boots"
		}
		for _, kind := range t.kinds {
			name := of(boots+" of "+kind.String()+" hosts", f.Node)
			facts = append(facts, backend.Fact{Name: name, Value: t.ready[kind][i].boots(t.clock)})
		}
	}
	return facts
}

// LateFacts implements backend.Backend.
func (t *testbed) LateFacts() []backend.Fact {
	var facts []backend.Fact
	for _, m := range t.machines {
		if f := m.Facts(); len(f.CommandLine) > 0 {
			facts = append(facts, backend.Fact{Name: of("QEMU command line", f.Node), Value: strings.Join(f.CommandLine, " ")})
		}
	}
	return facts
}

// boots says how hosts of one kind start, and what is known of what they take.
func (p Preparation) boots(clock fleet.Clock) string {
	text := "copies of a template, unless a fleet is to boot cold"
	switch {
	case !p.Copies:
		text = "cold: " + p.Reason
	case clock == fleet.VirtualClock:
		text = "go on from a template that is about to mount its disk, unless a fleet is to boot cold: " +
			"the same to the nanosecond"
	}
	if p.Boot.Asked > 0 {
		text += fmt.Sprintf("; a cold boot took %.1f s to the guest's first request", p.Boot.Asked.Seconds())
	}
	if p.Overhead > 0 {
		text += fmt.Sprintf(", and QEMU %d MiB besides the guest's memory", p.Overhead>>20)
	}
	if p.Own > 0 {
		text += fmt.Sprintf("; a copy had %d MiB of its own at its first beat", p.Own>>20)
	}
	return text
}

// daemonKind says whose libvirt daemon it was without the path of its socket, which would differ from run to run.
func daemonKind(f Facts) string {
	if f.Private {
		return "private to the run"
	}
	return f.URI
}

// of adds to what is said on which machine it is so, where there are several.
func of(what, node string) string {
	if node == "" {
		return what
	}
	return what + " on " + node
}
