package guestlink

import (
	"sync"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// A Service is what a host's guest is given when it asks: it outlives the host's boots.
type Service struct {
	Spec fleet.HostSpec
	// Self is what a guest is told that asks who it is; nil for this machine's time and randomness, and no phases.
	Self func() Self

	mu     sync.Mutex
	offer  fleet.Serve // without Content there is none
	orders orders
}

// Serve has content offered from now on. Its error is one of [CheckServe].
func (s *Service) Serve(a fleet.Serve) error {
	if err := CheckServe(a); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offer = a
	return nil
}

// Tell has an order go with the next reply, unless it was told before. Its error is one of [CheckTell], or says that
// too many wait.
func (s *Service) Tell(a fleet.Tell) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.orders.tell(a)
}

// recall makes orders wait again that were given and not answered.
func (s *Service) recall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders.recall()
}

// done takes the answer to an order; false when no such order is open.
func (s *Service) done(id uint64) (fleet.Order, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.orders.done(id)
}

// Answer makes the reply to a request, with the orders that wait. fetched is the event of its being sent, if the last
// part of content is in it. A guest that asks who it is gets no orders: it has no boot ID yet to answer them under.
func (s *Service) Answer(r protocol.Request) (reply protocol.Reply, fetched fleet.Happening) {
	reply = protocol.Reply{ID: r.ID, Boot: r.Boot}
	if r.Identify != nil {
		reply.Config = s.config()
		return reply, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Fetch != nil {
		var last bool
		if reply.Content, last = partOf(s.offer, *r.Fetch); last {
			fetched = fleet.Fetched{Version: s.offer.Version}
		}
	}
	reply.Orders = s.orders.give()
	return reply, fetched
}

// config is what makes a machine this host, with entropy of its own each time.
func (s *Service) config() *protocol.Config {
	var self Self
	if s.Self != nil {
		self = s.Self()
	} else {
		self = Self{Now: time.Now(), Entropy: Entropy()}
	}
	return &protocol.Config{
		Hostname: s.Spec.Name, Now: self.Now.UnixNano(), Entropy: self.Entropy, Start: self.Start,
		Beat: s.Spec.Tempo.Beat, Poll: s.Spec.Tempo.Poll, Work: s.Spec.Tempo.Work, Threat: s.Spec.Tempo.Threat,
	}
}
