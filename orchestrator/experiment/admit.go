package experiment

import (
	"fmt"

	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/scenarios"
	"github.com/fleetfall/fleetfall/vmimages"
)

// Admit decides whether a plan fits on this machine as it is now, with what its backend assumes of hosts; a plan that
// does not is an *admission.Refusal. Of machines that a plan names itself, and of one that does not tell, nothing is
// known yet: such a plan is given the benefit of the doubt, with an empty decision.
func Admit(p *scenarios.Plan, drivers []backend.Driver) (admission.Decision, error) {
	d, err := choose(drivers, p)
	if err != nil || d.Machine == nil || len(p.Nodes) > 0 {
		return admission.Decision{}, err
	}
	m, err := d.Machine()
	if err != nil {
		return admission.Decision{}, nil
	}
	return admission.Admit(needs(p, d.Assume), []admission.Machine{m}, m.Files)
}

// CanRun tells which of the plan's fleets an image cannot run, and what it lacks; of an image that is not given nothing
// is known.
func CanRun(p *scenarios.Plan, images map[string]vmimages.Image) error {
	for _, c := range p.Cells {
		image, ok := images[c.Fleet.Image]
		if !ok {
			continue
		}
		if err := image.Lock.CanRun(c.Fleet.Architecture); err != nil {
			return fmt.Errorf("scenario %s: fleet %q: %w; give the fleet another architecture or image, or install the headers of a "+
				"kernel that has it, of which `fleetfall image build %s` then makes the image", p.Scenario, c.Fleet.Name, err, c.Fleet.Image)
		}
	}
	return nil
}

// needs are what a plan's cells ask for, whose hosts take so much. A cell whose hosts take nothing asks for nothing.
func needs(p *scenarios.Plan, takes func(backend.Kind) backend.Takes) []admission.Need {
	var all []admission.Need
	for _, c := range p.Cells {
		t := takes(kindOf(c.Fleet))
		if t == (backend.Takes{}) {
			continue
		}
		all = append(all, admission.Need{
			Cell: c.ID, Hosts: c.Fleet.Hosts, Waves: c.Fleet.Waves,
			Guest: t.Memory, Overhead: t.Overhead, Disk: t.Disk, Measured: t.Measured,
		})
	}
	return all
}

// goOn has every cell run in as many waves as the run that is resumed began with, as its journal's header has them.
func goOn(needs []admission.Need, waves map[string]int) {
	for i, n := range needs {
		needs[i].Parts = max(1, waves[n.Cell])
	}
}
