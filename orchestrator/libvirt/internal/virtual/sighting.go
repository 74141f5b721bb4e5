package virtual

import (
	"time"
)

// A host says by its requests how far its clock is. One that does not ask, while others wait for it, is looked at
// from outside.

// look has the clock of a host read that runs and has been waited for since the last look. One that asks, and whose
// clock moves as it asks, needs none; what it asks may be junk, or its clock stand still by its own account.
func (h *host) look() {
	if h.machine == nil || h.looking || h.panic.Stands() || h.asked.answer != nil {
		return
	}
	if h.last-h.awaited >= Lookahead {
		h.awaited = h.last
		return
	}
	h.looking = true
	m, f := h.machine, h.fleet
	f.alive.Go(func() {
		t, err := m.VirtualTime(f.ctx)
		f.inbox.Put(sighted{m, t, err})
	})
}

// sighted: the clock of a machine was read.
func (h *host) sighted(m sighted) {
	h.looking = false
	if m.err != nil {
		return
	}
	h.seen = max(h.seen, h.began+m.time-traceTime)
	h.fleet.clock.Reached(h.spec.Name, h.seen)
	if m.time > h.fleet.limit { // it may never ask, and the time in which it has failed may not come before others boot
		h.slot.Free()
	}
}

// traceTime is more than a kernel takes from the fault that it stamps to its giving up, after all of it was printed:
// only what is longer ago than that has happened without a panic for sure.
const traceTime = time.Second
