package libvirt

import (
	"github.com/fleetfall/fleetfall/agents/architecture"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/virtual"
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

// capsOf is what fleets can do whose guests' instructions are executed by this accelerator, on machines that are
// named or not.
func capsOf(named bool, clock fleet.Clock, accelerator string) fleet.Caps {
	c := fleet.Caps{Backend: Name, Accelerator: accelerator, Clock: clock, Has: append(can(), fleet.CanKeepTime(clock))}
	if clock == fleet.VirtualClock {
		c.Lookahead, c.Tolerance = virtual.Lookahead, Tolerance
		c.Has = append(c.Has, fleet.CanRunBeside) // on the wall clock one fleet's boots stretch another's times
	}
	if named {
		c.Has = append(c.Has, fleet.CanUseNodes)
	}
	return c
}
