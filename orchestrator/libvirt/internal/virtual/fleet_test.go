package virtual

import (
	"context"
	"testing"

	"github.com/fleetfall/fleetfall/orchestrator/cosim"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/inbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// Boots of one seed are the same, and no two of them alike.
func TestEntropy(t *testing.T) {
	f := &Fleet{cfg: vm.FleetConfig{Seed: 1}}
	other := &Fleet{cfg: vm.FleetConfig{Seed: 2}}
	first := string(f.entropy("a", 1))
	if first != string(f.entropy("a", 1)) || len(first) != 32 {
		t.Error("not the same again")
	}
	for name, e := range map[string][]byte{"seed": other.entropy("a", 1), "host": f.entropy("b", 1), "boot": f.entropy("a", 2)} {
		if string(e) == first {
			t.Errorf("the same for another %s", name)
		}
	}
}

// A guest's memory is given back from when a fleet is closed on: nobody is answered any more.
func TestNothingHappensToAClosedFleet(t *testing.T) {
	f := &Fleet{inbox: inbox.New[fleetMessage](), clock: cosim.New[happening](Lookahead)}
	f.ctx, f.cancel = context.WithCancel(t.Context())
	f.After(0, "a")
	f.After(0, "b")
	if e, ok := f.advance(); !ok || e.What != (fleet.TimerFired{Tag: "a"}) {
		t.Errorf("%v, %v", e, ok)
	}
	f.cancel()
	if e, ok := f.advance(); ok {
		t.Errorf("%v of a fleet that is closed", e)
	}
}
