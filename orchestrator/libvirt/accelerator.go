package libvirt

import (
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// Names of accelerators, as in fleet.Caps.
const (
	KVM = vm.KVM
	TCG = vm.TCG // QEMU's emulation
)

// An Accelerator is how guests' instructions are executed, and why so.
type Accelerator struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}
