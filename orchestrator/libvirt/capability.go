package libvirt

import (
	"github.com/fleetfall/fleetfall/agents/architecture"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// Name is what scenarios call this backend.
const Name = "libvirt"

// can lists what VMs can do on either clock.
func can() []fleet.Capability {
	has := []fleet.Capability{
		fleet.CanBoot(fleet.Normal), fleet.CanBoot(fleet.Safe), fleet.CanOrder(fleet.RemoveContent),
		fleet.CanTakeOops(fleet.OopsPanic), fleet.CanTakeOops(fleet.OopsKill), fleet.CanDumpMemory,
	}
	for _, action := range []string{"boot", "reset", "power_off", "serve", "tell"} {
		has = append(has, fleet.CanDo(action))
	}
	for _, name := range architecture.Names() {
		has = append(has, fleet.CanRun(name))
	}
	return has
}
