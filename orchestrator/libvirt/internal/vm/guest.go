package vm

import (
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/domain"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
	"github.com/fleetfall/fleetfall/vmimages"
)

// Names of accelerators.
const (
	KVM = "kvm"
	TCG = "tcg"
)

// Epoch is what the clocks of guests show at the start of a fleet on the virtual clock: the time at which channel
// file 291 was released, so that a repeated run's logs are the same. The hardware clock of each machine shows it when
// it is switched on; guests are told the fleet's time when they ask who they are.
var Epoch = time.Date(2024, time.July, 19, 4, 9, 0, 0, time.UTC)

// A Guest is what a VM is to run.
type Guest struct {
	Image        vmimages.Image // with paths that QEMU can open
	architecture string
	memory       int64 // bytes
	oops         fleet.Oops
	mode         fleet.BootMode
	clock        fleet.Clock
	accelerator  string
}

// GuestOf is what a host of a spec is to run.
func GuestOf(s fleet.HostSpec, image vmimages.Image, mode fleet.BootMode, clock fleet.Clock, accelerator string) Guest {
	return Guest{image, s.Architecture, s.MemoryBytes, s.Oops, mode, clock, accelerator}
}

// Domain is the guest's VM of a name and a title for people, with its disk at a path: one that boots.
func (g Guest) Domain(name, title, disk string) domain.Domain {
	d := domain.Domain{
		Name: name, Title: title, Memory: g.memory, CPU: domain.Emulation{}, Disk: domain.Overlay{Path: disk},
		Kernel: domain.Kernel{Image: g.Image, Architecture: g.architecture, Oops: g.oops, Mode: g.mode},
	}
	if g.accelerator == KVM {
		d.CPU = domain.KVM{}
	}
	if g.clock == fleet.VirtualClock {
		d.Clock, d.Disk = domain.Instructions{Epoch: Epoch}, domain.MemoryDisk{Path: disk, Size: g.Image.DiskSize}
	}
	return d
}

// CopyOf is a domain that goes on from where a template stands, in the place of booting.
func CopyOf(d domain.Domain, t *template.Template) domain.Domain {
	d.Kernel, d.RAM = nil, domain.File{Path: t.RAM}
	return d
}
