package recovery

import "github.com/fleetfall/fleetfall/orchestrator/fleet"

// A Script is what is done at a host, one step after the other. A step that fails, or a host that gets into trouble
// meanwhile, ends the visit; the trouble is then reported again. It has at most 200 steps.
type Script []Step

// A Step of a script. One of its fields is set.
type Step struct {
	Boot    fleet.BootMode // the host into this mode; in safe mode, until its guest program answers
	Order   fleet.Order    // to the guest program, until it is carried out; it gets its number when it is told
	HandsOn bool           // whatever else there is to do, for the time that the scenario gives it
}

// needs are what a backend has to be able to do for the script.
func (s Script) needs() []fleet.Capability {
	var needs []fleet.Capability
	for _, step := range s {
		switch {
		case step.Boot != "":
			needs = append(needs, fleet.CanDo(fleet.Boot{}.Kind()), fleet.CanBoot(step.Boot))
		case step.Order.Kind != "":
			needs = append(needs, fleet.CanDo(fleet.Tell{}.Kind()), fleet.CanOrder(step.Order.Kind))
		}
	}
	return needs
}
