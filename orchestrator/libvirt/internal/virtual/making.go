package virtual

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// What takes long, of a host: its VM is made and ended here, one job after the other.

// work does what takes long, until ctx ends.
func (h *host) work(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-h.jobs.Ready:
			for job, ok := h.jobs.Take(); ok && ctx.Err() == nil; job, ok = h.jobs.Take() {
				job(ctx)
			}
		}
	}
	ctx = context.WithoutCancel(ctx)
	h.keepMemory(ctx) // first, so that the time for it is not taken from that for the end
	ctx, cancel := context.WithTimeout(ctx, connect.CreateTime)
	defer cancel()
	if err := errors.Join(h.destroy(ctx), h.log.Close()); err != nil {
		h.fleet.log.Warn().Err(err).Str("host", h.spec.Name).Msg("end host")
	}
}

// keepMemory dumps the memory of the VM, if it is to be. On the fleet's clock that takes no time.
func (h *host) keepMemory(ctx context.Context) {
	m := h.current
	if m == nil || !h.crashed.CompareAndSwap(m, nil) {
		return
	}
	what := m.KeepMemory(ctx, filepath.Join(h.fleet.cfg.ConsoleDir, h.spec.Name), h.spec.MemoryBytes)
	if what.Error != "" {
		h.fleet.log.Warn().Str("host", h.spec.Name).Str("error", what.Error).Msg("crash dump")
	}
	h.fleet.inbox.Put(kept{h, what})
}

// destroy ends the VM, if there is one, after dumping its memory when that is to be done. Its slot is free then, also
// if nobody has heard of the VM.
func (h *host) destroy(ctx context.Context) error {
	defer h.booting.Free()
	h.keepMemory(ctx)
	m := h.current
	h.current = nil
	if m == nil {
		return nil
	}
	return m.Destroy(ctx)
}

// create makes the VM of a boot, a copy of the template if there is one, and lets it run.
func (h *host) create(ctx context.Context, boot int, mode fleet.BootMode, t *template.Template) error {
	f := h.fleet
	image, err := f.site.Image(ctx, f.cfg.Images[h.spec.Image])
	if err != nil {
		return err
	}
	if h.disk == "" {
		if h.disk, err = f.site.Local.CopyDisk(h.domainName+".disk", image.Disk); err != nil {
			return fmt.Errorf("create disk: %w", err)
		}
	}
	if err := h.log.Restart("power on, mode " + string(mode)); err != nil {
		return err
	}
	guest := vm.GuestOf(h.spec, image, mode, fleet.VirtualClock, f.accelerator)
	d := guest.Domain(h.domainName, f.cfg.Cell+" "+h.spec.Name, h.disk)
	holds := vm.DoorHolds
	if t != nil {
		d, holds = vm.CopyOf(d, t), t.Kept.Door.Holds
	}
	m, err := f.site.CreateMachine(ctx, d, t, vm.Listener{
		Log: h.log, Hear: func(m *vm.Machine, n vm.News) { f.inbox.Put(heard{m, n}) },
		Rung: func(m *vm.Machine) {
			if !m.Held(&holds) {
				f.inbox.Put(heard{m, m.HeardRing()})
			}
		},
	})
	if err != nil {
		return err
	}
	h.current = m
	f.inbox.Put(created{h, boot, m, h.booting})
	if err := m.Resume(ctx); err != nil {
		return err
	}
	f.site.RecordCommandLine(h.domainName)
	return nil
}
