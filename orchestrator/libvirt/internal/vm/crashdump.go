package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/storage"
	"github.com/fleetfall/fleetfall/orchestrator/vmcore"
)

// What is kept of a host whose kernel has panicked, beside its console.
const (
	DumpFile      = "memory.dump" // an ELF core of its memory, with holes for pages of zeros
	KernelLogFile = "kernel.log"  // the kernel's log, read from that
)

const (
	dumpSuffix = ".core"
	// dumpRoom is more than the bytes that a dump has besides the guest's memory: memory of the machine's devices,
	// and headers.
	dumpRoom = 64 << 20
)

// DumpTime bounds the dump of one host's memory, from when it is its turn. While a fleet closes, dumps that are due
// are made.
const DumpTime = 2 * connect.CreateTime

// Dumps tells whether the memory of a host that panics is to be dumped: the first time, where there is a directory
// for it.
func (c *FleetConfig) Dumps(spec fleet.HostSpec, dumped bool) bool {
	return spec.CrashDump && c.ConsoleDir != "" && !dumped
}

// KeepMemory dumps the memory of a machine that has crashed into a host's directory, and reads the kernel's log from
// it. memory is the guest's, in bytes. What fails there is told, and the host is none the worse for it.
func (m *Machine) KeepMemory(ctx context.Context, dir string, memory int64) (kept fleet.Dumped) {
	err := m.dumpMemory(ctx, dir, memory)
	if err == nil {
		kept.File = DumpFile
		err = keepKernelLog(dir)
	}
	if err != nil {
		kept.Error = guestlink.Clip(err.Error(), guestlink.MaxText)
	}
	return kept
}

// dumpMemory makes a host's dumpFile, or none.
func (m *Machine) dumpMemory(ctx context.Context, dir string, memory int64) error {
	// One after the other: before it is copied with its holes, a dump takes as much of the disk as the guest has
	// memory.
	select {
	case m.Site.dumps <- struct{}{}:
		defer func() { <-m.Site.dumps }()
	case <-ctx.Done():
		return fmt.Errorf("dump memory: %w", ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, DumpTime)
	defer cancel()
	files, name := m.Site.Files, m.Domain.Name+dumpSuffix
	err := m.Site.Line.Call(ctx, "dump memory", connect.CreateTime, func(l *golibvirt.Libvirt) error {
		return l.DomainCoreDumpWithFormat(m.Domain, files.Output(name), uint32(golibvirt.DomainCoreDumpFormatRaw), golibvirt.DumpMemoryOnly)
	})
	if err != nil {
		// libvirt removes what it has begun, and the run what libvirt could not.
		return err
	}
	core, err := os.OpenFile(filepath.Join(dir, DumpFile), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o644)
	if err != nil {
		return errors.Join(fmt.Errorf("dump memory: %w", err), files.Remove(ctx, name))
	}
	to := storage.Sparse(core)
	err = files.Fetch(ctx, name, to, memory+dumpRoom)
	if err = errors.Join(err, to.End(), files.Remove(ctx, name), core.Close()); err != nil {
		return errors.Join(fmt.Errorf("dump memory: %w", err), os.Remove(core.Name()))
	}
	return nil
}

// keepKernelLog reads the kernel's log from a host's dump.
func keepKernelLog(dir string) error {
	core, err := os.Open(filepath.Join(dir, DumpFile))
	if err != nil {
		return err
	}
	defer core.Close()
	records, err := vmcore.ReadLog(core)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, KernelLogFile), []byte(vmcore.Format(records)), 0o644)
}
