// Package domain describes a VM to libvirt. Each thing that a VM may have is a part: it adds its own device and
// arguments, and knows of no other.
package domain

import (
	"fmt"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"
)

// A Domain is what is particular to one VM.
type Domain struct {
	Name   string
	Title  string // for people
	UUID   golibvirt.UUID
	Memory int64 // bytes

	CPU     Part // KVM or Emulation
	Kernel  Part // nil for a copy of a template, which never boots
	Clock   Part // Instructions; nil for the machine's own time
	Disk    Part // Overlay or MemoryDisk
	Console Part // Terminal, Socket or Pipe
	Link    Link // Channel or Mailbox
	RAM     Part // File; nil for memory of its own
}

// A Part is something that a VM has.
type Part interface{ add(*vm) error }

// A Link is a Part that is the guest's way to us.
type Link interface {
	Part
	word() string // what the guest calls it, see agents/guest
}

// A vm is a domain that is being put together.
type vm struct {
	libvirtxml.Domain
	memory int64    // bytes
	link   string   // see Link
	args   []string // of QEMU's, for which libvirt has no words
}

func (x *vm) arg(args ...string) { x.args = append(x.args, args...) }

// Virtual tells whether the VM is on the virtual clock.
func (d Domain) Virtual() bool { return d.Clock != nil }

// XML is the domain in libvirt's language. It has no network card, and nothing that it can do without.
func (d Domain) XML() (string, error) {
	x := d.bare()
	if d.Link != nil {
		x.link = d.Link.word()
	}
	for _, part := range []Part{d.CPU, d.Kernel, d.Clock, d.Disk, d.Console, d.Link, d.RAM} {
		if part == nil {
			continue
		}
		if err := part.add(x); err != nil {
			return "", fmt.Errorf("domain %s: %w", d.Name, err)
		}
	}
	if len(x.args) > 0 {
		x.QEMUCommandline = &libvirtxml.DomainQEMUCommandline{}
		for _, value := range x.args {
			x.QEMUCommandline.Args = append(x.QEMUCommandline.Args, libvirtxml.DomainQEMUCommandlineArg{Value: value})
		}
	}
	text, err := x.Marshal()
	if err != nil {
		return "", fmt.Errorf("domain %s: %w", d.Name, err)
	}
	return text, nil
}

// bare is what every VM has.
func (d Domain) bare() *vm {
	u := d.UUID
	return &vm{memory: d.Memory, Domain: libvirtxml.Domain{
		Name:   d.Name,
		UUID:   fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16]),
		Title:  d.Title,
		Memory: &libvirtxml.DomainMemory{Value: uint(d.Memory), Unit: "b"},
		VCPU:   &libvirtxml.DomainVCPU{Value: 1},
		OS: &libvirtxml.DomainOS{
			Type: &libvirtxml.DomainOSType{Arch: "x86_64", Machine: "q35", Type: "hvm"},
			// The firmware's words are the first sign that the VM executes anything: the kernel is quiet.
			BIOS: &libvirtxml.DomainBIOS{UseSerial: "yes"},
		},
		Features: &libvirtxml.DomainFeatureList{ACPI: &libvirtxml.DomainFeature{}}, // by which the kernel finds the panic device
		Clock:    &libvirtxml.DomainClock{Offset: "utc"},
		// The panic must stay to be seen: what happens after it is for the orchestrator to decide.
		OnPoweroff: "destroy", OnReboot: "restart", OnCrash: "preserve",
		Devices: &libvirtxml.DomainDeviceList{
			Controllers: []libvirtxml.DomainController{{Type: "usb", Model: "none"}},
			MemBalloon:  &libvirtxml.DomainMemBalloon{Model: "none"},
			Panics:      []libvirtxml.DomainPanic{{Model: "isa"}},
		},
		// libvirt asks QEMU for each of 350 properties of the guest's CPU in turn, which is three quarters of the
		// time that it takes to start a VM; without this capability it asks for all of them at once.
		QEMUCapabilities: &libvirtxml.DomainQEMUCapabilities{Del: []libvirtxml.DomainQEMUCapabilitiesEntry{{Name: "cpu-unavailable-features"}}},
	}}
}

// rootBus is a place on the root bus: ports for hot-plugging, which libvirt would add, cost the guest time at boot.
func rootBus(slot uint) *libvirtxml.DomainAddress {
	var zero uint
	return &libvirtxml.DomainAddress{PCI: &libvirtxml.DomainAddressPCI{Domain: &zero, Bus: &zero, Slot: &slot, Function: &zero}}
}
