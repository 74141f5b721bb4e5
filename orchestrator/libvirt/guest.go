package libvirt

import (
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/domain"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
	"github.com/fleetfall/fleetfall/vmimages"
)

// Names of accelerators.
const (
	kvm = "kvm"
	tcg = "tcg"
)

// virtualEpoch is what the clocks of guests show at the start of a fleet on the virtual clock: the time at which channel
// file 291 was released, so that a repeated run's logs are the same. The hardware clock of each machine shows it when it is switched
// on; guests are told the fleet's time when they ask who they are.
var virtualEpoch = time.Date(2024, time.July, 19, 4, 9, 0, 0, time.UTC)

// A guest is what a VM is to run.
type guest struct {
	image        vmimages.Image // with paths that QEMU can open
	architecture string
	memory       int64 // bytes
	oops         fleet.Oops
	mode         fleet.BootMode
	clock        fleet.Clock
	accelerator  string
}

// guestOf is what a host of a spec is to run.
func guestOf(s fleet.HostSpec, image vmimages.Image, mode fleet.BootMode, clock fleet.Clock, accelerator string) guest {
	return guest{image, s.Architecture, s.MemoryBytes, s.Oops, mode, clock, accelerator}
}

// domain is the guest's VM of a name and a title for people, with its disk at a path: one that boots.
func (g guest) domain(name, title, disk string) domain.Domain {
	d := domain.Domain{
		Name: name, Title: title, Memory: g.memory, CPU: domain.Emulation{}, Disk: domain.Overlay{Path: disk},
		Kernel: domain.Kernel{Image: g.image, Architecture: g.architecture, Oops: g.oops, Mode: g.mode},
	}
	if g.accelerator == kvm {
		d.CPU = domain.KVM{}
	}
	if g.clock == fleet.VirtualClock {
		d.Clock, d.Disk = domain.Instructions{Epoch: virtualEpoch}, domain.MemoryDisk{Path: disk, Size: g.image.DiskSize}
	}
	return d
}

// copyOf is a domain that goes on from where a template stands, in the place of booting.
func copyOf(d domain.Domain, t *template.Template) domain.Domain {
	d.Kernel, d.RAM = nil, domain.File{Path: t.RAM}
	return d
}
