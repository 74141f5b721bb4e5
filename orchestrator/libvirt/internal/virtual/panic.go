package virtual

import (
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/panics"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// readLast has the clock of a machine read that has panicked: whatever its console says, that was no later.
func (f *Fleet) readLast(m *vm.Machine) {
	f.alive.Go(func() {
		t, err := m.LastTime(f.ctx)
		f.inbox.Put(stoodAt{m, t, err})
	})
}

// stoodAt: the clock of a machine that has panicked was read.
func (h *host) stoodAt(m stoodAt) {
	switch {
	case m.err != nil && h.fleet.ctx.Err() == nil:
		h.infra("date a panic", m.err)
		return
	case h.reset:
		h.stood = h.last // a guest that sets its hardware clock has nothing that dates it but its last request
	default:
		h.stood = max(h.last, h.began+m.time)
	}
	h.dated = true
	h.panicked()
}

// panicked tells of a panic once it is known that it was, and why. Its time is the kernel's own stamp of the fault:
// what the kernel prints after that takes it a time that is not the same each time, and the machine's clock may leap
// as it stops. A guest prints what it likes, so that time is not before its last request and not after its machine
// stood still.
func (h *host) panicked() {
	why := h.panic.Both()
	if why == nil || !h.dated {
		return
	}
	at := h.last
	if why.At > 0 {
		at = min(max(at, h.began+h.logLag+why.At), h.stood)
	}
	h.put(at, panics.Event("device", *why))
	dumps := h.fleet.cfg.Dumps(h.spec, h.dumped)
	if dumps {
		h.dumped, h.fell = true, at
		h.crashed.Store(h.machine)
	}
	h.state = vm.Stopped
	// All that it had to say is known. A fleet in boot loops is one of hosts that wait for their restart: that costs
	// neither memory then, nor time at the next boot.
	h.gone("end crashed host")
	if dumps {
		h.fleet.clock.Runs(h.spec.Name, at) // nothing later is told before what has come of the dump
	}
}

// settle tells of a panic whose cause did not come.
func (h *host) settle() {
	h.panic.Unexplained(h.log.Settle())
	h.panicked()
}
