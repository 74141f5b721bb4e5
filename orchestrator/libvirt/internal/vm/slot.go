package vm

import (
	"context"
	"sync"

	"github.com/fleetfall/fleetfall/orchestrator/admission"
)

// Slots are what VMs of a site need to boot, each one of them, whichever fleet they are of: a send takes one, a
// receive gives it back. Who holds one waits for nobody who needs one: it is given back once the VM has booted, or
// has taken too long, or is ended, and a fleet that is closed ends all of its VMs.
func (s *Site) Slots() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots == nil {
		s.slots = make(chan struct{}, admission.BootsAtOnce(admission.Machine{CPUs: s.CPUs}))
	}
	return s.slots
}

// A Slot is one that was taken.
type Slot struct {
	of   chan struct{}
	once sync.Once
}

// TakeSlot waits until a VM may boot; nil when ctx ends before.
func (s *Site) TakeSlot(ctx context.Context) *Slot {
	of := s.Slots()
	select {
	case of <- struct{}{}:
		return &Slot{of: of}
	case <-ctx.Done():
		return nil
	}
}

// Free gives the slot back, unless it was before. A nil slot is none.
func (s *Slot) Free() {
	if s != nil {
		s.once.Do(func() { <-s.of })
	}
}
