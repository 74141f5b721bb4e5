package domain

import (
	"encoding/json"
	"fmt"
	"time"

	"libvirt.org/go/libvirtxml"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

// Instructions are the virtual clock: a VM counts its instructions, and leaps over the time in which its guest has
// nothing to do.
type Instructions struct {
	Epoch time.Time // what its hardware clock shows when it is switched on
}

// instructionShift makes the virtual clock count 2 ns for each instruction.
const instructionShift = 1

func (i Instructions) add(x *vm) error {
	x.arg(
		// Kernels take the machine's UUID for entropy: a boot should be the same each time until it asks who it is.
		"-smbios", "type=1,uuid=f1ee7fa1-1000-4000-8000-000000000000",
		"-icount", fmt.Sprintf("shift=%d,sleep=off", instructionShift),
		"-rtc", "base="+i.Epoch.Format("2006-01-02T15:04:05")+",clock=vm",
	)
	return nil
}

// A MemoryDisk is a disk that is memory: a file that is mapped. Nobody waits for it: what an idle guest waits for by
// an interrupt comes after a leap.
type MemoryDisk struct {
	Path string
	Size int64 // bytes
}

// spareMemory is address space, and no memory, for QEMU to align a disk in.
const spareMemory = 1 << 30

func (d MemoryDisk) add(x *vm) error {
	x.arg("-machine", "nvdimm=on", "-m", fmt.Sprintf("size=%dk,slots=1,maxmem=%dk", x.memory>>10, (x.memory+d.Size+spareMemory)>>10),
		"-object", memoryFile("disk", d.Path, d.Size, true), "-device", "nvdimm,memdev=disk")
	return nil
}

// A Pipe is a console: the path of a pipe, see mailbox.New.
type Pipe struct{ Path string }

func (p Pipe) add(x *vm) error {
	return serial(x, &libvirtxml.DomainChardevSource{Pipe: &libvirtxml.DomainChardevSourcePipe{Path: p.Path}})
}

// A Mailbox is a link through memory that guest and host share, and a floppy drive that is the bell.
type Mailbox struct {
	Memory string // path of a file of the size protocol.MailboxSize
	Bell   string // path of the socket that serves the drive
}

func (Mailbox) word() string { return "mailbox" }

func (m Mailbox) add(x *vm) error {
	drive, err := json.Marshal(map[string]any{
		"driver": "nbd", "node-name": "bell", "read-only": true, "server": map[string]string{"type": "unix", "path": m.Bell},
	})
	if err != nil {
		return err
	}
	x.arg("-object", memoryFile("mailbox", m.Memory, protocol.MailboxSize, true),
		"-device", "ivshmem-plain,memdev=mailbox,master=on,bus=pcie.0,addr=2",
		"-blockdev", string(drive), "-device", "isa-fdc,id=fdc", "-device", "floppy,bus=fdc.0,unit=0,drive=bell,drive-type=144")
	return nil
}
