package domain

import (
	"fmt"
	"slices"
	"strings"

	"libvirt.org/go/libvirtxml"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/vmimages"
)

// KVM has the machine's own CPU execute the guest's instructions.
type KVM struct{}

func (KVM) add(x *vm) error {
	x.Type, x.CPU = "kvm", &libvirtxml.DomainCPU{Mode: "host-passthrough"}
	return nil
}

// Emulation has QEMU execute them.
type Emulation struct{}

// translationCache bounds the memory, in MiB, that QEMU's emulation keeps translated guest code in; its default is a
// GiB a VM. A booted tiny image uses some 20 MiB.
const translationCache = 64

func (Emulation) add(x *vm) error {
	x.Type = "qemu"
	x.Features.TCG = &libvirtxml.DomainFeatureTCG{TBCache: &libvirtxml.DomainFeatureTCGTBCache{Unit: "MiB", Size: translationCache}}
	return nil
}

// A Kernel is what a VM boots, and what its guest is told on the kernel's command line. QEMU keeps it in memory for
// as long as it runs: 14 MiB for each VM.
type Kernel struct {
	Image        vmimages.Image
	Architecture string
	Oops         fleet.Oops
	Mode         fleet.BootMode
}

// maxCmdline is the kernel's COMMAND_LINE_SIZE on x86-64, with its final zero.
const maxCmdline = 2048

func (k Kernel) add(x *vm) error {
	words := slices.Clone(k.Image.Cmdline)
	if k.Oops != fleet.OopsKill {
		words = append(words, "oops=panic", "softlockup_panic=1")
	}
	words = append(words, "fleetfall.architecture="+k.Architecture, "fleetfall.mode="+string(k.Mode), "fleetfall.link="+x.link)
	x.OS.Kernel, x.OS.Initrd, x.OS.Cmdline = k.Image.Kernel, k.Image.Initrd, strings.Join(words, " ")
	if n := len(x.OS.Cmdline); n >= maxCmdline {
		return fmt.Errorf("kernel command line of %d bytes, the limit is %d", n, maxCmdline-1)
	}
	return nil
}

// An Overlay is a disk: the path of a file that lies on top of another's.
type Overlay struct{ Path string }

func (o Overlay) add(x *vm) error {
	x.Devices.Disks = append(x.Devices.Disks, libvirtxml.DomainDisk{
		Device: "disk",
		// A flush need not reach the platter: what dies with the machine is this run, not a host in it. QEMU's
		// end, also by a power cut, writes everything to the file.
		Driver:  &libvirtxml.DomainDiskDriver{Name: "qemu", Type: "qcow2", Cache: "unsafe"},
		Source:  &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: o.Path}},
		Target:  &libvirtxml.DomainDiskTarget{Dev: "vda", Bus: "virtio"},
		Address: rootBus(2),
	})
	return nil
}

// A Terminal is a console that libvirt makes a stream of: it does of no other.
type Terminal struct{}

func (Terminal) add(x *vm) error {
	return serial(x, &libvirtxml.DomainChardevSource{Pty: &libvirtxml.DomainChardevSourcePty{}})
}

// A Socket is a console: the path of a unix socket on which QEMU listens.
type Socket struct{ Path string }

func (s Socket) add(x *vm) error { return serial(x, listen(s.Path)) }

func serial(x *vm, source *libvirtxml.DomainChardevSource) error {
	x.Devices.Serials = append(x.Devices.Serials, libvirtxml.DomainSerial{Source: source})
	return nil
}

func listen(path string) *libvirtxml.DomainChardevSource {
	return &libvirtxml.DomainChardevSource{UNIX: &libvirtxml.DomainChardevSourceUNIX{Mode: "bind", Path: path}}
}

// A Channel is a link through a virtio-serial port: the path of a unix socket on which QEMU listens; "" is libvirt's
// choice.
type Channel struct{ Path string }

func (Channel) word() string { return "port" }

func (c Channel) add(x *vm) error {
	x.Devices.Controllers = append(x.Devices.Controllers, libvirtxml.DomainController{Type: "virtio-serial", Address: rootBus(3)})
	x.Devices.Channels = append(x.Devices.Channels, libvirtxml.DomainChannel{
		Source: listen(c.Path),
		Target: &libvirtxml.DomainChannelTarget{VirtIO: &libvirtxml.DomainChannelTargetVirtIO{Name: protocol.PortName}},
	})
	return nil
}

// A File is the guest's memory in a file.
type File struct {
	Path  string
	Share bool // what the guest writes goes into the file, not into a copy of its pages
}

func (f File) add(x *vm) error {
	// libvirt has no name for "this file": of two -machine options the later one wins.
	x.arg("-object", memoryFile("ram", f.Path, x.memory, f.Share), "-machine", "memory-backend=ram")
	return nil
}

// memoryFile is memory of a guest that is a file, as QEMU's option -object has it.
func memoryFile(id, path string, size int64, share bool) string {
	how := "off"
	if share {
		how = "on"
	}
	// A comma in one of its comma-separated options is doubled.
	return fmt.Sprintf("memory-backend-file,id=%s,size=%d,mem-path=%s,share=%s", id, size, strings.ReplaceAll(path, ",", ",,"), how)
}
