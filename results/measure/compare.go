package measure

import (
	"slices"

	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/stats"
	"github.com/fleetfall/fleetfall/scenarios"
)

// compared are the metrics in which cells are tested against one another.
var compared = []string{"host_seconds_lost", "protection_gap", "time_to_recover_median"}

// compare tests each pair of cells that differ in their fleet alone, in the order of the plan; their fleets may differ in
// more than the architecture. Control cells are compared with nobody: they had another update. All comparisons of one
// metric are a family, within which P is corrected.
func compare(p *scenarios.Plan, cells map[string]*cell) []results.Comparison {
	out := []results.Comparison{}
	for i, a := range p.Cells {
		for _, b := range p.Cells[i+1:] {
			if a.Fleet.Control || b.Fleet.Control || a.Fleet.Name == b.Fleet.Name ||
				a.Update.Name != b.Update.Name || a.Rollout != b.Rollout || a.Recovery.Name != b.Recovery.Name {
				continue
			}
			for _, metric := range compared {
				out = append(out, results.Comparison{A: a.ID, B: b.ID, Metric: metric, Test: "sign-flip"})
			}
		}
	}
	for _, metric := range compared {
		var family []*results.Comparison
		for i := range out {
			x := &out[i]
			if x.Metric != metric {
				continue
			}
			if x.Note = incomparable(cells[x.A], cells[x.B], metric); x.Note == "" {
				family = append(family, x)
			}
		}
		test(family, cells, p.Seed)
	}
	return out
}

// incomparable says why two cells cannot be told apart by a metric, however many repeats there are; "" when they can.
func incomparable(a, b *cell, metric string) string {
	f := statistics[metric]
	for _, c := range []*cell{a, b} {
		if !c.has(f) {
			return c.cell.Fleet.Name + ": " + f.needsAgent
		}
		if defined := func(t stats.Trial) bool { return !t.Undefined }; !slices.ContainsFunc(c.perRepeat(metric), defined) {
			if len(c.perRepeat(metric)) == 0 {
				return c.cell.Fleet.Name + ": " + noSample
			}
			return c.cell.Fleet.Name + ": " + f.none
		}
	}
	return ""
}

// test fills in the comparisons of one family.
func test(family []*results.Comparison, cells map[string]*cell, seed uint64) {
	var tested []*results.Comparison
	var ps []float64
	for _, x := range family {
		pairs := paired(cells[x.A], cells[x.B], x.Metric)
		t := stats.SignFlips(pairs, len(family), seed)
		x.Family, x.Pairs, x.Undefined, x.Undecided = len(family), t.Pairs, t.Undefined, t.Undecided
		x.PValue, x.Wants = t.P, t.Wants
		x.Difference = pairedDifference(pairs)
		if of, err := scenarios.FindMetric(x.Metric); err == nil {
			x.Difference.Unit = string(of.Unit)
		}
		if t.P != nil {
			tested, ps = append(tested, x), append(ps, *t.P)
		}
	}
	for i, p := range stats.Holm(ps) {
		tested[i].Adjusted = &p
	}
}

// paired are the trials of two cells that are of one repeat, and so drew the same.
func paired(a, b *cell, metric string) []stats.Pair {
	var pairs []stats.Pair
	others := b.counting()
	for i, g := range a.counting() {
		if j := slices.IndexFunc(others, func(o group) bool { return o.repeat == g.repeat }); j >= 0 {
			pairs = append(pairs, stats.Pair{A: a.perRepeat(metric)[i], B: b.perRepeat(metric)[j]})
		}
	}
	return pairs
}

// pairedDifference is the mean of A less B over pairs, without its unit. A censored A makes it so much at least; of a
// censored B nothing is known that a mean could be made of.
func pairedDifference(pairs []stats.Pair) results.Metric {
	var trials []stats.Trial
	for _, p := range pairs {
		switch {
		case p.A.Undefined || p.B.Undefined:
			trials = append(trials, stats.Trial{Undefined: true})
		case p.B.Censored:
			return results.Metric{Note: "how large it is, censored trials do not tell"}
		default:
			trials = append(trials, stats.Trial{Value: p.A.Value - p.B.Value, Censored: p.A.Censored})
		}
	}
	return summary(stats.Summarise(stats.Differences, trials), stats.Differences)
}
