package vm

import (
	"github.com/fleetfall/fleetfall/orchestrator/console"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
)

// News is what is heard of one machine: of these types, and no other.
type News interface{ ofMachine() }

type (
	DomainEvent struct{ connect.Event }
	SaidHello   struct{} // its guest
	Spoke       struct{} // the console's first byte
	Crashing    struct{} // a panic on the console, whose trace is still to come
	Crashed     struct{ Report console.Report }
	Cut         struct { // one of its wires was cut, or could not be opened again yet
		Wire string
		Why  error
	}
	Restored struct{ Wire string } // it was opened again
	Failed   struct {
		Op  string
		Err error
	}
	Rang struct { // on the virtual clock: its guest stands still, and asks this
		Number uint64
		Line   []byte
		Err    error
	}
)

func (DomainEvent) ofMachine() {}
func (SaidHello) ofMachine()   {}
func (Spoke) ofMachine()       {}
func (Crashing) ofMachine()    {}
func (Crashed) ofMachine()     {}
func (Cut) ofMachine()         {}
func (Restored) ofMachine()    {}
func (Failed) ofMachine()      {}
func (Rang) ofMachine()        {}
