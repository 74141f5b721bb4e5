package libvirt

import (
	"fmt"
	"strings"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/vmimages"
)

// maxCmdline is the kernel's COMMAND_LINE_SIZE on x86-64, with its final zero.
const maxCmdline = 2048

// translationCache bounds the memory, in MiB, that QEMU's emulation keeps translated guest code in; its default is a
// GiB a VM. A booted tiny image uses some 20 MiB.
const translationCache = 64

// A domain is what is particular to one VM.
type domain struct {
	name          string
	title         string // for people
	uuid          golibvirt.UUID
	accelerator   string
	image         vmimages.Image
	architecture  string
	mode          fleet.BootMode
	memory        int64  // bytes
	disk          string // path of the overlay
	serial, guest string // paths of the sockets of console and channel
}

// cmdline is the guest kernel's command line.
func (d domain) cmdline() string {
	words := append([]string(nil), d.image.Cmdline...)
	words = append(words, "fleetfall.architecture="+d.architecture, "fleetfall.mode="+string(d.mode))
	return strings.Join(words, " ")
}

// xml is the domain in libvirt's language. It has no network card, and nothing that it can do without.
func (d domain) xml() (string, error) {
	cmdline := d.cmdline()
	if len(cmdline) >= maxCmdline {
		return "", fmt.Errorf("kernel command line of %d bytes, the limit is %d", len(cmdline), maxCmdline-1)
	}
	kind, features, cpu := "qemu", &libvirtxml.DomainFeatureList{ACPI: &libvirtxml.DomainFeature{}}, (*libvirtxml.DomainCPU)(nil)
	if d.accelerator == KVM {
		kind, cpu = "kvm", &libvirtxml.DomainCPU{Mode: "host-passthrough"}
	} else {
		features.TCG = &libvirtxml.DomainFeatureTCG{TBCache: &libvirtxml.DomainFeatureTCGTBCache{Unit: "MiB", Size: translationCache}}
	}
	u := d.uuid
	x := libvirtxml.Domain{
		Type:   kind,
		Name:   d.name,
		UUID:   fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16]),
		Title:  d.title,
		Memory: &libvirtxml.DomainMemory{Value: uint(d.memory), Unit: "b"},
		VCPU:   &libvirtxml.DomainVCPU{Value: 1},
		OS: &libvirtxml.DomainOS{
			Type:   &libvirtxml.DomainOSType{Arch: "x86_64", Machine: "q35", Type: "hvm"},
			Kernel: d.image.Kernel, Initrd: d.image.Initrd, Cmdline: cmdline,
		},
		Features: features, // ACPI is how the kernel finds the panic device
		CPU:      cpu,
		Clock:    &libvirtxml.DomainClock{Offset: "utc"},
		// The panic must stay to be seen: what happens after it is for the orchestrator to decide.
		OnPoweroff: "destroy", OnReboot: "restart", OnCrash: "preserve",
		Devices: &libvirtxml.DomainDeviceList{
			// On the root bus: ports for hot-plugging, which libvirt would add, cost the guest time at boot.
			Disks: []libvirtxml.DomainDisk{{
				Device: "disk",
				// A flush need not reach the platter: what dies with the machine is this run, not a host in it. QEMU's
				// end, also by a power cut, writes everything to the file.
				Driver:  &libvirtxml.DomainDiskDriver{Name: "qemu", Type: "qcow2", Cache: "unsafe"},
				Source:  &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: d.disk}},
				Target:  &libvirtxml.DomainDiskTarget{Dev: "vda", Bus: "virtio"},
				Address: rootBus(2),
			}},
			Controllers: []libvirtxml.DomainController{
				{Type: "usb", Model: "none"},
				{Type: "virtio-serial", Address: rootBus(3)},
			},
			Serials: []libvirtxml.DomainSerial{{Source: socket(d.serial)}},
			Channels: []libvirtxml.DomainChannel{{
				Source: socket(d.guest),
				Target: &libvirtxml.DomainChannelTarget{VirtIO: &libvirtxml.DomainChannelTargetVirtIO{Name: protocol.PortName}},
			}},
			MemBalloon: &libvirtxml.DomainMemBalloon{Model: "none"},
			Panics:     []libvirtxml.DomainPanic{{Model: "isa"}},
		},
	}
	text, err := x.Marshal()
	if err != nil {
		return "", fmt.Errorf("domain %s: %w", d.name, err)
	}
	return text, nil
}

// socket is a unix socket on which QEMU listens.
func socket(path string) *libvirtxml.DomainChardevSource {
	return &libvirtxml.DomainChardevSource{UNIX: &libvirtxml.DomainChardevSourceUNIX{Mode: "bind", Path: path}}
}

func rootBus(slot uint) *libvirtxml.DomainAddress {
	var zero uint
	return &libvirtxml.DomainAddress{PCI: &libvirtxml.DomainAddressPCI{Domain: &zero, Bus: &zero, Slot: &slot, Function: &zero}}
}
