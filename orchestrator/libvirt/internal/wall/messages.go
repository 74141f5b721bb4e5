package wall

import (
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// A hostMessage is what a host takes from its inbox: of these types, and no other.
type hostMessage interface{ toHost() }

type (
	power     struct{ action fleet.Action } // Boot, Reset or PowerOff
	abandoned struct{ err error }           // the host's machine was given up
	due       struct {                      // a timer of the host's
		what reminder
		boot int
	}
)

// heard is news of the host's machine, or of one that it had.
type heard struct {
	m    *vm.Machine
	what vm.News
}

func (heard) toHost()     {}
func (power) toHost()     {}
func (abandoned) toHost() {}
func (due) toHost()       {}

// A reminder is what a host has a timer for.
type reminder int

const (
	helloDue     reminder = iota // the guest's hello
	firstByteDue                 // the console's first byte
	consoleDue                   // the cause of a panic of which the device has told
	traceDue                     // the end of a panic's trace on the console
	drainedDue                   // what the guest sent before it died was read
	deviceDue                    // the panic device's event, after the console has told
	outageDue                    // the end of an outage
	silenceDue                   // a look at a host that is silent
)

// monitored says what QEMU has answered.
type monitored struct {
	m     *vm.Machine
	since time.Duration
	err   error
}

func (monitored) toHost() {}
