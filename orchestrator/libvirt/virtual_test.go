package libvirt

import (
	"context"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/orchestrator/cosim"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/inbox"
	"github.com/fleetfall/fleetfall/vmimages"
)

func TestCanCount(t *testing.T) {
	h := &Hypervisor{}
	if err := h.CanCount(); err != nil {
		t.Errorf("emulated CPUs on this machine: %v", err)
	}
	h.cfg.Emulate = true
	h.facts.Accelerator.Name = KVM
	if a, err := h.Probe(t.Context(), vmimages.Image{}); err != nil || a.Name != TCG || h.CanCount() != nil {
		t.Errorf("with emulation asked for: %v, %v, %v", a, err, h.CanCount())
	}
	h.facts.Accelerator.Name = KVM
	if err := h.CanCount(); err == nil || !strings.Contains(err.Error(), "KVM") {
		t.Errorf("KVM: %v", err)
	}
	h.facts.Accelerator.Name, h.uri.Remote = TCG, true
	if err := h.CanCount(); err == nil || !strings.Contains(err.Error(), "another machine") {
		t.Errorf("another machine: %v", err)
	}
}

// TestVirtualDomain holds what a VM on the virtual clock consists of.
func TestVirtualDomain(t *testing.T) {
	d := domain{
		name: "ff-a", accelerator: TCG, memory: 96 << 20, disk: "/disk,1", mode: fleet.Normal, architecture: "user",
		image: vmimages.Image{Kernel: "/k", Initrd: "/i", Cmdline: []string{"quiet"}}, serial: "/serial",
		virtual: &virtualParts{mailbox: "/mailbox", bell: "/bell", diskSize: 16 << 20},
	}
	text, err := d.xml()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"shift=1,sleep=off", "base=2024-07-19T04:09:00,clock=vm", "memory-backend-file,id=disk,size=16777216,mem-path=/disk,,1,share=on",
		"nvdimm,memdev=disk", "ivshmem-plain,memdev=mailbox", "floppy,bus=fdc.0", "fleetfall.link=mailbox", "path&#34;:&#34;/bell",
		"size=98304k,slots=1,maxmem=", "type=1,uuid=",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, not := range []string{"<disk", "<channel", "virtio-serial"} {
		if strings.Contains(text, not) {
			t.Errorf("%q in\n%s", not, text)
		}
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
	f := &virtualFleet{inbox: inbox.New[any](), clock: cosim.New[happening](Lookahead)}
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
