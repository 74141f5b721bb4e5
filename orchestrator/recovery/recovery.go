// Package recovery holds the ways by which hosts that are down come back. A policy is a pure state machine: it is told
// what is learnt of hosts and answers what is to be done, by their numbers, and touches no host, clock or randomness of
// its own. It is the same for machines, a recorded run and a simulation.
//
// A way back has three parts: when somebody learns that a host is in trouble ([notice]), who comes ([staff]), and what
// is done there, which is a script of steps ([Script]). What is common to all ways is the automatic restart after a
// panic ([restarts]).
package recovery

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/health"
)

// A Policy decides what is done about hosts that are down. An event costs it no more in a large fleet than in a small
// one.
type Policy interface {
	// Observe is told what one event has shown of hosts, in order, and returns what is to be done now, in order.
	Observe(edges []health.Edge) []Act
	// Fired is told that a timer has fired which it asked for, and returns what is to be done now.
	Fired(t Timer) []Act
}

// An Act is one thing that a policy wants: that something is done to a host or, when Do is Wait, to be told when Wait
// has passed.
type Act struct {
	Do    Do
	Host  uint32
	Mode  fleet.BootMode // of Boot
	Order fleet.Order    // of Tell; its number is the trial's to give
	Wait  time.Duration  // of Wait
	Timer Timer          // of Wait
}

// Action is what a fleet is asked to do, in which the host has this name; nil for a Wait.
func (a Act) Action(host string) fleet.Action {
	switch a.Do {
	case Boot:
		return fleet.Boot{Host: host, Mode: a.Mode}
	case Reset:
		return fleet.Reset{Host: host}
	case Tell:
		return fleet.Tell{Host: host, Order: a.Order}
	}
	return nil
}

// Do says what is to be done.
type Do uint8

// What a policy can want.
const (
	Wait  Do = iota // for a timer
	Boot            // the host, into a mode
	Reset           // the host, in the mode that it is in
	Tell            // the host's guest program an order
)

// A Timer is one that a policy has asked for.
type Timer struct {
	Purpose Purpose
	Host    uint32
	N       uint32 // tells the timers of a purpose and a host apart
}

// Purpose says what a timer is for.
type Purpose uint8

// What policies wait for.
const (
	ForRestart Purpose = iota // the automatic restart after a panic
	ForNotice                 // somebody reports the host's trouble
	ForHandsOn                // a technician's work at the host
)

var purposes = [...]string{ForRestart: "restart", ForNotice: "notice", ForHandsOn: "hands-on"}

// Tag is the timer's name in a journal, where hosts have names: "restart/kernel-01/2". No two timers have the same.
func (t Timer) Tag(host string) string {
	return fmt.Sprintf("%s/%s/%d", purposes[t.Purpose], host, t.N)
}

// A Fleet is what a policy knows of a fleet beforehand.
type Fleet struct {
	Hosts int // numbered from 0
	// Chance is the randomness of a technician's n-th visit to a host, n from 1. It depends on nothing but these and the
	// trial's seed, so that draws do not depend on the order in which things happen.
	Chance func(host uint32, n uint32) *rand.Rand
}
