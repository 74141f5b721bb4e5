package wall

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/console"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/panics"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// How long a host waits, on the wall clock, for what should come in a moment.
const (
	// From a panic on the console to the end of its trace.
	traceSettle = time.Second
	// From a panic on the console to the device's event, where the guest never said hello in this boot.
	deviceSettle = time.Second
)

// devicePanic: the panic device said that the kernel panicked. Why is on the console, which may still be on its way.
func (h *host) devicePanic() {
	h.freeSlot()
	h.state = vm.Stopped
	h.panic.Device()
	if why := h.panic.Both(); why != nil {
		h.emitPanic("device", *why)
		return
	}
	h.remind(panics.Settle, consoleDue)
}

// consolePanic: the console said so. The device's event should come; where it does not, the guest either has no driver
// for the device, or lives on and somebody forged the console: then it is heard of again.
func (h *host) consolePanic(r console.Report) {
	switch {
	case h.panic.Waits():
		h.panic.Console(r)
		h.emitPanic("device", r)
	case h.state != vm.Booting && h.state != vm.Up, h.panic.Doubtful():
	default:
		h.panic.Console(r)
		if h.machine.Channel.Booted() {
			// First what it sent before it died has to be read.
			h.remind(deviceSettle, drainedDue)
		} else {
			h.remind(deviceSettle, deviceDue)
		}
	}
}

// settle reports a panic that still waited for its cause, before something else happens to the host.
func (h *host) settle() {
	if !h.panic.Waits() {
		return
	}
	h.panic.Unexplained(h.log.Settle())
	h.emitPanic("device", *h.panic.Both())
}

// emitPanic tells of a panic and, at the first, dumps the VM's memory then. What is to be done to the host waits for
// that.
func (h *host) emitPanic(source string, r console.Report) {
	h.emit(panics.Event(source, r))
	if !h.fleet.cfg.Dumps(h.spec, h.dumped) || h.lost || h.machine == nil || h.fleet.ctx.Err() != nil {
		return
	}
	h.dumped = true
	dir := filepath.Join(h.fleet.cfg.ConsoleDir, h.spec.Name)
	h.emit(h.machine.KeepMemory(context.WithoutCancel(h.fleet.ctx), dir, h.spec.MemoryBytes))
}
