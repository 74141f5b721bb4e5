package libvirt

import (
	"context"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/orchestrator/cosim"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/inbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/storage"
	"github.com/fleetfall/fleetfall/vmimages"
)

func TestCanCount(t *testing.T) {
	h := &Hypervisor{site: &site{local: &storage.Local{}}}
	if err := h.CanCount(); err != nil {
		t.Errorf("emulated CPUs on this machine: %v", err)
	}
	h.cfg.Emulate = true
	h.site.accelerate(KVM)
	if a, err := h.Probe(t.Context(), vmimages.Image{}); err != nil || a.Name != TCG || h.CanCount() != nil {
		t.Errorf("with emulation asked for: %v, %v, %v", a, err, h.CanCount())
	}
	h.site.accelerate(KVM)
	if err := h.CanCount(); err == nil || !strings.Contains(err.Error(), "KVM") {
		t.Errorf("KVM: %v", err)
	}
	h.site.accelerate(TCG)
	h.site.local = nil
	if err := h.CanCount(); err == nil || !strings.Contains(err.Error(), "another machine") {
		t.Errorf("another machine: %v", err)
	}
}

// Boots of one seed are the same, and no two of them alike.
func TestEntropy(t *testing.T) {
	f := &virtualFleet{cfg: FleetConfig{Seed: 1}}
	other := &virtualFleet{cfg: FleetConfig{Seed: 2}}
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
	f := &virtualFleet{inbox: inbox.New[fleetMessage](), clock: cosim.New[happening](Lookahead)}
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
