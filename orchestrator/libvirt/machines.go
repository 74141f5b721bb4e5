package libvirt

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/virtual"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/wall"
)

// FleetConfig describes a fleet.
type FleetConfig = vm.FleetConfig

// DumpTime bounds the dump of one host's memory, from when it is its turn. While a fleet closes, dumps that are due
// are made.
const DumpTime = vm.DumpTime

// Machines are what a fleet's hosts are spread over, by the node that each host's spec names.
type Machines []*Hypervisor

// NewFleet makes a fleet of VMs on this machine alone; see Machines.NewFleet.
func (h *Hypervisor) NewFleet(cfg vm.FleetConfig) (fleet.Fleet, error) {
	return Machines{h}.NewFleet(cfg)
}

// NewFleet makes a fleet of VMs that are off. It checks all that can be checked before a boot. The accelerator is what
// each machine's last Probe found, emulation if there was none.
func (m Machines) NewFleet(cfg vm.FleetConfig) (fleet.Fleet, error) { return m.newVMs(cfg) }

// vms are a fleet of either kind.
type vms interface {
	fleet.Fleet
	DomainOf(host string) string // what libvirt calls a host
}

func (m Machines) newVMs(cfg vm.FleetConfig) (vms, error) {
	if cfg.Clock != fleet.VirtualClock {
		return m.newFleet(cfg, "")
	}
	if err := vm.Check(m.sites(), cfg); err != nil {
		return nil, fmt.Errorf("fleet %s: %w", cfg.Cell, err)
	}
	if err := m.CanCount(); err != nil {
		return nil, fmt.Errorf("fleet %s: %w", cfg.Cell, err)
	}
	return virtual.New(m[0].site, cfg, capsOf(m.named(), fleet.VirtualClock, m[0].site.Executes()))
}

// newFleet makes a fleet on the wall clock, under another accelerator than the machines' own if one is given.
func (m Machines) newFleet(cfg vm.FleetConfig, accelerator string) (*wall.Fleet, error) {
	if err := vm.Check(m.sites(), cfg); err != nil {
		return nil, fmt.Errorf("fleet %s: %w", cfg.Cell, err)
	}
	caps := capsOf(m.named(), fleet.WallClock, cmp.Or(accelerator, m[0].site.Executes()))
	return wall.New(m.sites(), cfg, accelerator, caps)
}

// named tells whether the scenario names them.
func (m Machines) named() bool { return m[0].cfg.Node != "" }

func (m Machines) sites() vm.Sites {
	all := make(vm.Sites, len(m))
	for i, h := range m {
		all[i] = h.site
	}
	return all
}

// CanCount tells why VMs cannot run on the virtual clock here; nil when they can.
func (h *Hypervisor) CanCount() error {
	switch {
	case h.site.Executes() == KVM:
		return errors.New("the virtual clock counts the instructions of emulated CPUs, and here they are run by KVM")
	case !h.Local():
		return errors.New("the virtual clock needs memory that is shared with the guests, and they are on another machine")
	}
	return nil
}

// CanCount tells why a fleet that is spread over these machines cannot be on the virtual clock; nil when it can.
func (m Machines) CanCount() error {
	if len(m) > 1 {
		return fmt.Errorf("the virtual clock is one machine's, and here are %d", len(m))
	}
	return m[0].CanCount()
}
