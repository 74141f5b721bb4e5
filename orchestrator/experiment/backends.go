package experiment

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt"
	"github.com/fleetfall/fleetfall/scenarios"
)

// Backends lists the backends that a scenario can name.
func Backends() []backend.Driver { return []backend.Driver{libvirt.Driver()} }

// Known tells the scenario language of backends: their names, their limits, and what each lacks.
func Known(drivers []backend.Driver) []scenarios.Backend {
	var all []scenarios.Backend
	for _, d := range drivers {
		all = append(all, scenarios.Backend{
			Name: d.Name, MaxHosts: int64(d.MaxHosts), Lacks: func(p scenarios.Part) []scenarios.Lack {
				var lacks []scenarios.Lack
				for _, n := range orchestrator.Needs(p) {
					if !slices.Contains(d.Has, n.Capability) {
						lacks = append(lacks, scenarios.Lack{Attribute: n.Attribute, Cannot: n.Words()})
					}
				}
				return lacks
			},
		})
	}
	return all
}

// choose finds the backend that a plan names, and refuses a plan that is beyond it: one from a journal, or one that was
// loaded where nobody knew the backends.
func choose(drivers []backend.Driver, p *scenarios.Plan) (backend.Driver, error) {
	name := cmp.Or(p.Backend, scenarios.DefaultBackend) // "" is a journal's from before there were others
	i := slices.IndexFunc(drivers, func(d backend.Driver) bool { return d.Name == name })
	if i < 0 {
		var known []string
		for _, d := range drivers {
			known = append(known, d.Name)
		}
		return backend.Driver{}, fmt.Errorf("scenario %s: %w", p.Scenario, scenarios.Unknown("backend", name, known))
	}
	d := drivers[i]
	most := d.MaxHosts * max(1, len(p.Nodes))
	for _, c := range p.Cells {
		if c.Fleet.Hosts > most {
			return d, fmt.Errorf("scenario %s: cell %s: %d hosts; the backend %q can have %d",
				p.Scenario, c.ID, c.Fleet.Hosts, d.Name, most)
		}
		if err := (orchestrator.Trial{Plan: p, Cell: c}).Fits(d.Name, d.Has); err != nil {
			return d, fmt.Errorf("scenario %s: %w", p.Scenario, err)
		}
	}
	return d, nil
}
