package virtual

import (
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// A fleetMessage is what whoever has the fleet's turn takes from its inbox: of these types, and no other.
type fleetMessage interface{ toFleet() }

type (
	heard struct { // news of a machine
		m    *vm.Machine
		what vm.News
	}
	created struct { // the VM of a boot is there, and about to run
		h    *host
		boot int
		m    *vm.Machine
		slot *vm.Slot
	}
	broke struct { // the testbed failed a host
		h    *host
		boot int
		op   string
		err  error
	}
	kept struct { // the memory of a host that has crashed, or it could not be
		h    *host
		what fleet.Dumped
	}
	unexplained struct { // the cause of a panic has not come in time
		h    *host
		boot int
	}
	stoodAt struct { // the clock of a machine that has panicked was read: the time since it was switched on
		m    *vm.Machine
		time time.Duration
		err  error
	}
	sighted struct { // the clock of a machine was read: the time since it was switched on
		m    *vm.Machine
		time time.Duration
		err  error
	}
)

func (heard) toFleet()       {}
func (created) toFleet()     {}
func (broke) toFleet()       {}
func (kept) toFleet()        {}
func (unexplained) toFleet() {}
func (stoodAt) toFleet()     {}
func (sighted) toFleet()     {}

// hear takes in what happened to a machine, or became of what was asked for.
func (f *Fleet) hear(message fleetMessage) {
	switch m := message.(type) {
	case created:
		h := m.h
		if m.boot != h.boots {
			return // it is ended, and its slot free, by a job that waits already
		}
		h.machine, h.slot = m.m, m.slot
		f.running[m.m] = h
		h.talk = &guestlink.Conversation{Service: h.service, Hello: func() { h.state = vm.Up }}
	case broke:
		if m.boot == m.h.boots {
			m.h.infra(m.op, m.err)
		}
	case kept:
		if m.h.state == vm.Stopped { // else its power was cut before it panicked
			m.h.put(m.h.fell, m.what)
			f.clock.Stops(m.h.spec.Name)
		}
	case unexplained:
		if m.boot == m.h.boots && m.h.panic.Waits() {
			m.h.settle()
		}
	case stoodAt:
		if h := f.running[m.m]; h != nil {
			h.stoodAt(m)
		}
	case sighted:
		if h := f.running[m.m]; h != nil {
			h.sighted(m)
		}
	case heard:
		if h := f.running[m.m]; h != nil { // else it is gone
			h.hear(m.what)
		}
	}
}
