package libvirt

import (
	"github.com/fleetfall/fleetfall/orchestrator/console"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
)

// News is what is heard of one machine: of these types, and no other.
type news interface{ ofMachine() }

type (
	domainEvent struct{ connect.Event }
	saidHello   struct{} // its guest
	spoke       struct{} // the console's first byte
	crashing    struct{} // a panic on the console, whose trace is still to come
	crashed     struct{ report console.Report }
	cut         struct { // one of its wires was cut, or could not be opened again yet
		wire string
		why  error
	}
	restored struct{ wire string } // it was opened again
	failed   struct {
		op  string
		err error
	}
	rang struct { // on the virtual clock: its guest stands still, and asks this
		number uint64
		line   []byte
		err    error
	}
)

func (domainEvent) ofMachine() {}
func (saidHello) ofMachine()   {}
func (spoke) ofMachine()       {}
func (crashing) ofMachine()    {}
func (crashed) ofMachine()     {}
func (cut) ofMachine()         {}
func (restored) ofMachine()    {}
func (failed) ofMachine()      {}
func (rang) ofMachine()        {}
