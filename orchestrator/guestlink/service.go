package guestlink

import (
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

const (
	maxContent = 1 << 20 // bytes; what protocol.MaxReply leaves room for
)

// A Service is what a host's guest is given when it asks: it outlives the host's boots.
type Service struct {
	Spec fleet.HostSpec
	Self func() (now time.Time, entropy []byte) // what a guest is to believe that asks who it is; nil for the machine's own

	mu      sync.Mutex
	version uint64
	content []byte
	orders  orders
}

// CheckServe refuses what no updater could be given: its error wraps fleet.ErrUnsupported.
func CheckServe(a fleet.Serve) error {
	if len(a.Content) == 0 || len(a.Content) > maxContent {
		return fmt.Errorf("serve content of %d bytes to %s: want 1 to %d: %w", len(a.Content), a.Host, maxContent, fleet.ErrUnsupported)
	}
	return nil
}

// Serve has content offered from now on. Its error is one of [CheckServe].
func (s *Service) Serve(a fleet.Serve) error {
	if err := CheckServe(a); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version, s.content = a.Version, a.Content
	return nil
}

// Tell has an order go with the next reply, unless it was told before. Its error is one of [CheckTell], or says that too many
// wait.
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

// Answer makes the reply to a request, with the orders that wait. fetched is the event of its being sent, if content is
// in it. A guest that asks who it is gets no orders: it has no boot ID yet to answer them under.
func (s *Service) Answer(r protocol.Request) (reply protocol.Reply, fetched fleet.Happening) {
	reply = protocol.Reply{ID: r.ID, Boot: r.Boot}
	if r.Identify != nil {
		reply.Config = s.config()
		return reply, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Fetch != nil && s.content != nil && r.Fetch.Have != s.version {
		reply.Content, fetched = s.content, fleet.Fetched{Version: s.version}
	}
	reply.Orders = s.orders.give()
	return reply, fetched
}

// config is what makes a machine this host, with entropy of its own each time.
func (s *Service) config() *protocol.Config {
	self := s.Self
	if self == nil {
		self = ownSelf
	}
	now, entropy := self()
	return &protocol.Config{
		Hostname: s.Spec.Name, Now: now.UnixNano(), Entropy: entropy,
		Beat: s.Spec.Tempo.Beat, Poll: s.Spec.Tempo.Poll, Work: s.Spec.Tempo.Work, Threat: s.Spec.Tempo.Threat,
	}
}

// ownSelf is this machine's time and randomness.
func ownSelf() (time.Time, []byte) {
	entropy := make([]byte, 32)
	rand.Read(entropy) // never fails
	return time.Now(), entropy
}
