package vm

import (
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/vmimages"
)

// A Kind is what hosts have in common that may be copies of one template.
type Kind struct {
	Image        string // name
	Architecture string
	Memory       int64 // bytes
	Oops         fleet.Oops
	Clock        fleet.Clock
	Mode         fleet.BootMode // of the boot
}

// KindOf is what hosts of a spec are copies of, when they boot into a mode on a clock.
func KindOf(s fleet.HostSpec, clock fleet.Clock, mode fleet.BootMode) Kind {
	return Kind{s.Image, s.Architecture, s.MemoryBytes, s.Oops, clock, mode}
}

// Guest is what a template of a kind runs.
func (k Kind) Guest(image vmimages.Image, accelerator string) Guest {
	return Guest{image, k.Architecture, k.Memory, k.Oops, k.Mode, k.Clock, accelerator}
}
