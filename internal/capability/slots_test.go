package capability

import (
	"testing"
)

// One slot is one's alone: another who wants it gets it when it is let go.
func TestLockSlot(t *testing.T) {
	path, err := moduleFile()
	if err != nil {
		t.Fatal(err)
	}
	const mine = 1 << 20 // beyond the slots of tests that run meanwhile
	first, err := lockByte(path, mine)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error)
	go func() {
		second, err := lockByte(path, mine)
		got <- err
		if err == nil {
			_ = second.Close()
		}
	}()
	select {
	case err := <-got:
		t.Fatalf("two have one slot: %v", err)
	default: // which shows little; that both are let on shows that it was waited for, or not
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
}
