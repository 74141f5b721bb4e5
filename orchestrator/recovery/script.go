package recovery

import (
	"fmt"
	"slices"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/scenarios"
)

// A Script is what is done at a host, one step after the other. A step that fails, or a host that gets into trouble
// meanwhile, ends the visit; the trouble is then reported again. It has at most 200 steps.
type Script []Step

// A Step of a script. One of its fields is set.
type Step struct {
	Boot    fleet.BootMode // the host into this mode; in safe mode, until its guest program answers
	Order   fleet.Order    // to the guest program, until it is carried out
	HandsOn bool           // whatever else there is to do, for the time that the scenario gives it
}

// scripts are the ways back, by the name that a recovery's strategy has for them. See scenarios.Strategies.
var scripts = map[string]Script{
	// Hosts are left to restart by themselves.
	"none": {},
	// The remedy published in July 2024: without the agent, the content is removed.
	"safe_mode": {{Boot: fleet.Safe}, {Order: fleet.RemoveContent}, {HandsOn: true}, {Boot: fleet.Normal}},
}

func known(r scenarios.Recovery) error {
	if _, ok := scripts[r.Strategy]; !ok {
		return fmt.Errorf("recovery %q: unknown strategy %q, known are %v", r.Name, r.Strategy, scenarios.Strategies())
	}
	return nil
}

// Needs are what a backend has to be able to do for a recovery.
func Needs(r scenarios.Recovery) []fleet.Capability {
	needs := []fleet.Capability{fleet.CanDo(fleet.Reset{}.Kind())}
	for _, s := range scripts[r.Strategy] {
		switch {
		case s.Boot != "":
			needs = append(needs, fleet.CanDo(fleet.Boot{}.Kind()), fleet.CanBoot(s.Boot))
		case s.Order != "":
			needs = append(needs, fleet.CanDo(fleet.Tell{}.Kind()), fleet.CanOrder(string(s.Order)))
		}
	}
	slices.Sort(needs)
	return slices.Compact(needs)
}
