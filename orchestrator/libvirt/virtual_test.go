package libvirt

import (
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/storage"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
	"github.com/fleetfall/fleetfall/vmimages"
)

func TestCanCount(t *testing.T) {
	h := &Hypervisor{site: &vm.Site{Local: &storage.Local{}}}
	if err := h.CanCount(); err != nil {
		t.Errorf("emulated CPUs on this machine: %v", err)
	}
	h.cfg.Emulate = true
	h.site.Accelerate(KVM)
	if a, err := h.Probe(t.Context(), vmimages.Image{}); err != nil || a.Name != TCG || h.CanCount() != nil {
		t.Errorf("with emulation asked for: %v, %v, %v", a, err, h.CanCount())
	}
	h.site.Accelerate(KVM)
	if err := h.CanCount(); err == nil || !strings.Contains(err.Error(), "KVM") {
		t.Errorf("KVM: %v", err)
	}
	h.site.Accelerate(TCG)
	h.site.Local = nil
	if err := h.CanCount(); err == nil || !strings.Contains(err.Error(), "another machine") {
		t.Errorf("another machine: %v", err)
	}
}
