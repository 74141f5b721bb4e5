package recovery

import (
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/scenarios"
)

// Needs lists what a recovery needs of the fleet that it is for.
func Needs(r scenarios.Recovery) []fleet.Capability {
	needs := []fleet.Capability{fleet.CanDo("reset")}
	if r.Strategy == "safe_mode" {
		needs = append(needs, fleet.CanDo("boot"), fleet.CanBoot(fleet.Safe), fleet.CanBoot(fleet.Normal), fleet.CanDo("tell"),
			fleet.CanOrder(string(fleet.RemoveContent)))
	}
	return needs
}
