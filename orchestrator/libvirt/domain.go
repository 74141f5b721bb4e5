package libvirt

import (
	"encoding/json"
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
	oops          fleet.Oops
	mode          fleet.BootMode
	memory        int64  // bytes
	disk          string // path of the overlay
	serial, guest string // paths of the sockets of console and channel; empty for a terminal, and a socket of libvirt's choice; see pipe for the console on the virtual clock
	ram           string // path of a file that is the guest's memory; empty for memory of its own
	share         bool   // what the guest writes goes into that file, not into a copy of its pages
	copied        bool   // it starts from a template's state and never boots: it needs no kernel
	virtual       *virtualParts
}

// virtualParts are what a VM on the virtual clock has, in the place of a virtio disk and a channel.
type virtualParts struct {
	mailbox  string // path of the memory that it shares with us, see protocol.Mailbox
	bell     string // path of the socket that serves its floppy drive, see bell
	diskSize int64  // bytes of its disk, which is memory: a file that is mapped
}

// link is what the guest calls its way to us, see agents/guest.
func (d domain) link() string {
	if d.virtual != nil {
		return "mailbox"
	}
	return "port"
}

// cmdline is the guest kernel's command line.
func (d domain) cmdline() string {
	words := append([]string(nil), d.image.Cmdline...)
	if d.oops != fleet.OopsKill {
		words = append(words, "oops=panic", "softlockup_panic=1")
	}
	words = append(words, "fleetfall.architecture="+d.architecture, "fleetfall.mode="+string(d.mode), "fleetfall.link="+d.link())
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
			// The firmware's words are the first sign that the VM executes anything: the kernel is quiet.
			BIOS: &libvirtxml.DomainBIOS{UseSerial: "yes"},
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
			Serials: []libvirtxml.DomainSerial{{Source: terminal(d.serial)}},
			Channels: []libvirtxml.DomainChannel{{
				Source: socket(d.guest),
				Target: &libvirtxml.DomainChannelTarget{VirtIO: &libvirtxml.DomainChannelTargetVirtIO{Name: protocol.PortName}},
			}},
			MemBalloon: &libvirtxml.DomainMemBalloon{Model: "none"},
			Panics:     []libvirtxml.DomainPanic{{Model: "isa"}},
		},
		// libvirt asks QEMU for each of 350 properties of the guest's CPU in turn, which is three quarters of the time that
		// it takes to start a VM; without this capability it asks for all of them at once.
		QEMUCapabilities: &libvirtxml.DomainQEMUCapabilities{Del: []libvirtxml.DomainQEMUCapabilitiesEntry{{Name: "cpu-unavailable-features"}}},
	}
	var extra []string // arguments of QEMU's for which libvirt has no words
	if d.virtual != nil {
		x.Devices.Disks, x.Devices.Channels = nil, nil
		x.Devices.Serials[0].Source = &libvirtxml.DomainChardevSource{Pipe: &libvirtxml.DomainChardevSourcePipe{Path: d.serial}}
		x.Devices.Controllers = x.Devices.Controllers[:1]
		extra = d.virtualArguments()
	}
	if d.copied {
		// QEMU keeps the kernel in memory for as long as it runs: 14 MiB for each copy.
		x.OS.Kernel, x.OS.Initrd, x.OS.Cmdline = "", "", ""
	}
	if d.ram != "" {
		share := "off"
		if d.share {
			share = "on"
		}
		// libvirt has no name for "this file": of two -machine options the later one wins.
		extra = append(extra, "-object", memoryFile(ramBlock, d.ram, d.memory, share), "-machine", "memory-backend="+ramBlock)
	}
	if len(extra) > 0 {
		x.QEMUCommandline = &libvirtxml.DomainQEMUCommandline{}
		for _, value := range extra {
			x.QEMUCommandline.Args = append(x.QEMUCommandline.Args, libvirtxml.DomainQEMUCommandlineArg{Value: value})
		}
	}
	text, err := x.Marshal()
	if err != nil {
		return "", fmt.Errorf("domain %s: %w", d.name, err)
	}
	return text, nil
}

// instructionShift makes the virtual clock count 2 ns for each instruction.
const instructionShift = 1

// virtualArguments are QEMU's arguments for a VM on the virtual clock: it counts instructions, and leaps over the time in
// which its guest has nothing to do.
func (d domain) virtualArguments() []string {
	v := d.virtual
	drive, _ := json.Marshal(map[string]any{ // never fails
		"driver": "nbd", "node-name": "bell", "read-only": true, "server": map[string]string{"type": "unix", "path": v.bell},
	})
	return []string{
		// Kernels take the machine's UUID for entropy: a boot should be the same each time until it asks who it is.
		"-smbios", "type=1,uuid=f1ee7fa1-1000-4000-8000-000000000000",
		"-icount", fmt.Sprintf("shift=%d,sleep=off", instructionShift),
		"-rtc", "base=" + virtualEpoch.Format("2006-01-02T15:04:05") + ",clock=vm",
		// The disk is memory, so that nobody waits for it: what an idle guest waits for by an interrupt comes after a leap.
		"-machine", "nvdimm=on", "-m", fmt.Sprintf("size=%dk,slots=1,maxmem=%dk", d.memory>>10, (d.memory+v.diskSize+spareMemory)>>10),
		"-object", memoryFile("disk", d.disk, v.diskSize, "on"), "-device", "nvdimm,memdev=disk",
		"-object", memoryFile("mailbox", v.mailbox, protocol.MailboxSize, "on"), "-device", "ivshmem-plain,memdev=mailbox,master=on,bus=pcie.0,addr=2",
		"-blockdev", string(drive), "-device", "isa-fdc,id=fdc", "-device", "floppy,bus=fdc.0,unit=0,drive=bell,drive-type=144",
	}
}

// spareMemory is address space, and no memory, for QEMU to align a disk in.
const spareMemory = 1 << 30

// memoryFile is memory of a guest that is a file.
func memoryFile(id, path string, size int64, share string) string {
	return fmt.Sprintf("memory-backend-file,id=%s,size=%d,mem-path=%s,share=%s", id, size, qemuValue(path), share)
}

// ramBlock is what QEMU calls the memory of a guest that is a file.
const ramBlock = "ram"

// qemuValue is a value in one of QEMU's comma-separated options.
func qemuValue(s string) string { return strings.ReplaceAll(s, ",", ",,") }

// socket is a unix socket on which QEMU listens.
func socket(path string) *libvirtxml.DomainChardevSource {
	return &libvirtxml.DomainChardevSource{UNIX: &libvirtxml.DomainChardevSourceUNIX{Mode: "bind", Path: path}}
}

// terminal is a socket too or, for a machine where ours cannot be reached, a terminal: libvirt streams no other.
func terminal(path string) *libvirtxml.DomainChardevSource {
	if path == "" {
		return &libvirtxml.DomainChardevSource{Pty: &libvirtxml.DomainChardevSourcePty{}}
	}
	return socket(path)
}

func rootBus(slot uint) *libvirtxml.DomainAddress {
	var zero uint
	return &libvirtxml.DomainAddress{PCI: &libvirtxml.DomainAddressPCI{Domain: &zero, Bus: &zero, Slot: &slot, Function: &zero}}
}
