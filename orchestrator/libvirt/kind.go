package libvirt

import (
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/vmimages"
)

// A templateKind is what hosts have in common that may be copies of one template.
type templateKind struct {
	image        string // name
	architecture string
	memory       int64 // bytes
	oops         fleet.Oops
	clock        fleet.Clock
	mode         fleet.BootMode // of the boot
}

// kindOf is what hosts of a spec are copies of, when they boot into a mode on a clock.
func kindOf(s fleet.HostSpec, clock fleet.Clock, mode fleet.BootMode) templateKind {
	return templateKind{s.Image, s.Architecture, s.MemoryBytes, s.Oops, clock, mode}
}

// guest is what a template of a kind runs.
func (k templateKind) guest(image vmimages.Image, accelerator string) guest {
	return guest{image, k.architecture, k.memory, k.oops, k.mode, k.clock, accelerator}
}
