package virtual

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/mailbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/panics"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// What a guest on the virtual clock asks for, and when it is answered.

// rang: the guest stands still. What it says happens at the time that its clock shows.
func (h *host) rang(m vm.Rang) {
	h.slot.Free() // before it is answered: that may have to wait for those who wait for the slot
	if errors.Is(m.Err, mailbox.ErrGone) {
		h.infra("hear host", m.Err)
		return
	}
	r, err := protocol.Request{}, m.Err
	if err == nil {
		r, err = protocol.ParseRequest(m.Line)
	}
	// The time-stamp counter counts the nanoseconds of the virtual clock from when the machine was switched on. What
	// is no request has none: its time is not known better than that of the last one.
	at := h.fleet.clock.Asks(h.spec.Name, h.began+time.Duration(min(r.TSC, 1<<60)))
	h.last = at
	h.lives(at)
	if err == nil && !h.quota.Admits(at, len(m.Line)) {
		err = fmt.Errorf("more than %d KiB a second", guestlink.GuestRate>>10)
	}
	if err != nil {
		h.garbage(at, len(m.Line), err.Error())
		reply := protocol.Reply{ID: r.ID, Boot: r.Boot, Error: guestlink.Clip(err.Error(), guestlink.MaxText)}
		h.asked = asked{m.Number, func() (protocol.Reply, fleet.Happening) { return reply, nil }}
		return
	}
	h.talk.Emit = func(what fleet.Happening) { h.put(at, what) }
	answer, wrong := h.talk.Take(r)
	if i := r.Identify; i != nil && i.LogTSC > 0 {
		h.logLag = time.Duration(min(i.LogTSC, 1<<60)) - i.LogTime
	}
	h.garbage(at, len(m.Line), wrong)
	if answer == nil { // left of an earlier boot of the guest's own making: it is told so
		answer = func() (protocol.Reply, fleet.Happening) {
			return protocol.Reply{ID: r.ID, Boot: r.Boot, Error: "this boot is over"}, nil
		}
	}
	h.asked = asked{m.Number, answer}
}

// lives: a guest asks, so what its console showed of a panic is made up. A kernel that panics was heard before: it
// rings no more, and as long as a guest stands still it prints nothing.
func (h *host) lives(at time.Duration) {
	if !h.panic.Refute() && !h.log.Panicking() {
		return
	}
	h.log.Settle()
	if h.quota.Admits(at, len(panics.LivesOn.Text)) {
		h.put(at, panics.LivesOn)
	}
}

// garbage counts what is wrong with something that the guest said, if anything is, and tells of what was counted when
// it is time.
func (h *host) garbage(at time.Duration, bytes int, wrong string) {
	if wrong != "" {
		h.quota.Garbage(bytes, wrong)
	}
	if g, due := h.quota.Tell(at); due {
		h.put(at, g)
	}
}

// answer lets the guest that asked at this time go on, with all that has reached it by then.
func (h *host) answer(at time.Duration) {
	if h.machine == nil || h.asked.answer == nil || slices.ContainsFunc(h.powers, func(t time.Duration) bool { return t <= at }) {
		// Its power is cut before: it stands still until then, and nothing is heard of it.
		h.fleet.clock.Stops(h.spec.Name)
		return
	}
	h.pending = slices.DeleteFunc(h.pending, func(c change) bool {
		if c.at > at {
			return false
		}
		c.do()
		return true
	})
	question := h.asked
	h.asked = asked{}
	reply, fetched := question.answer()
	if fetched != nil {
		h.put(at, fetched)
	}
	line, err := protocol.AppendLine(nil, reply)
	if err == nil {
		err = h.machine.Mailbox.Answer(question.number, line)
	}
	if errors.Is(err, mailbox.ErrGone) {
		h.infra("answer host", err)
		return
	}
	h.fleet.clock.Runs(h.spec.Name, at)
	h.fleet.clock.Reached(h.spec.Name, h.seen) // what it asked may have said less
	if err != nil {
		// QEMU has ended, of which libvirt will tell more.
		h.fleet.log.Debug().Err(err).Str("host", h.spec.Name).Msg("a guest is not answered")
	}
}
