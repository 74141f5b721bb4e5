package vm

import (
	"context"
	"testing"
)

// TestSlots are the site's, one for each CPU, and what was given back twice counts once.
func TestSlots(t *testing.T) {
	s := &Site{CPUs: 2}
	one, two := s.TakeSlot(t.Context()), s.TakeSlot(t.Context())
	if one == nil || two == nil {
		t.Fatal("two CPUs, and no slots for two")
	}
	closed, cancel := context.WithCancel(t.Context())
	cancel()
	if s.TakeSlot(closed) != nil {
		t.Error("three boot on two CPUs")
	}
	one.Free()
	one.Free()
	if got := len(s.Slots()); got != 1 {
		t.Errorf("%d slots are taken, want that of the other", got)
	}
	if s.TakeSlot(t.Context()) == nil {
		t.Error("a slot that was given back is not to be had")
	}
	var none *Slot
	none.Free()
}
