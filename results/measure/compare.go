package measure

import (
	"github.com/fleetfall/fleetfall/orchestrator/health"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/stats"
	"github.com/fleetfall/fleetfall/scenarios"
)

// compare tests each pair of cells that differ in their fleet alone, in the order of the plan; their fleets may differ in more than
// the architecture. Control cells are compared with nobody: they had another update.
func compare(p *scenarios.Plan, cells map[string]*cell) []results.Comparison {
	out := []results.Comparison{}
	for i, a := range p.Cells {
		for _, b := range p.Cells[i+1:] {
			if a.Fleet.Control || b.Fleet.Control || a.Fleet.Name == b.Fleet.Name ||
				a.Update.Name != b.Update.Name || a.Rollout != b.Rollout || a.Recovery.Name != b.Recovery.Name {
				continue
			}
			ca, cb := cells[a.ID], cells[b.ID]
			out = append(out,
				mannWhitney(ca, cb, "host_seconds_lost", func(s sample) float64 { return s.lost.Seconds() }),
				protection(ca, cb),
				logRank(ca, cb))
		}
	}
	return out
}

// protection compares the gaps of two fleets that have agents.
func protection(a, b *cell) results.Comparison {
	for _, c := range []*cell{a, b} {
		if c.steady() != health.Protected {
			return results.Comparison{
				A: a.cell.ID, B: b.cell.ID, Metric: "protection_gap", Test: "mann-whitney", NA: len(a.valid()), NB: len(b.valid()),
				Note: c.cell.Fleet.Name + " has no agent, and no protection to lose",
			}
		}
	}
	return mannWhitney(a, b, "protection_gap", func(s sample) float64 { return s.gap.Seconds() })
}

func mannWhitney(a, b *cell, metric string, of func(sample) float64) results.Comparison {
	values := func(c *cell) []float64 {
		var v []float64
		for _, s := range c.valid() {
			v = append(v, of(s))
		}
		return v
	}
	va, vb := values(a), values(b)
	c := results.Comparison{A: a.cell.ID, B: b.cell.ID, Metric: metric, Test: "mann-whitney", NA: len(va), NB: len(vb)}
	test, err := stats.MannWhitney(va, vb)
	if err != nil {
		c.Note = err.Error()
		return c
	}
	c.PValue = &test.P
	return c
}

// logRank compares how fast hit hosts come back.
func logRank(a, b *cell) results.Comparison {
	oa, ob := a.repairTimes(), b.repairTimes()
	c := results.Comparison{A: a.cell.ID, B: b.cell.ID, Metric: "time_to_recover", Test: "log-rank", NA: len(oa), NB: len(ob)}
	for _, side := range []struct {
		cell *cell
		hit  int
	}{{a, len(oa)}, {b, len(ob)}} {
		if side.hit == 0 {
			c.Note = "no host of " + side.cell.cell.Fleet.Name + " was hit"
			return c
		}
	}
	test, err := stats.LogRank(oa, ob)
	if err != nil {
		c.Note = err.Error()
		return c
	}
	c.PValue = &test.P
	return c
}
