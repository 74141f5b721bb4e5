package orchestrator

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/scenarios"
)

// Share is what one shard runs of a plan's trials, in their order. Shards are cut by the time that trials are expected to
// take: the longest first, each to the shard that has least so far. It depends on nothing but the trials, so that shards
// need not know of one another.
func Share(trials []Trial, s results.Shard) ([]Trial, error) {
	if s.Of > len(trials) {
		return nil, fmt.Errorf("shard %s: the plan has %d trials, and each shard is to have one", s, len(trials))
	}
	cost := expected(trials)
	order := make([]int, len(trials))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(cost[b], cost[a]) })
	load := make([]time.Duration, s.Of)
	of := make([]int, len(trials))
	for _, i := range order {
		least := 0
		for shard := range load {
			if load[shard] < load[least] {
				least = shard
			}
		}
		of[i], load[least] = least, load[least]+max(1, cost[i])
	}
	var share []Trial
	for i, t := range trials {
		if of[i] == s.Index-1 {
			share = append(share, t)
		}
	}
	return share, nil
}

// expected is what each trial is expected to take of our time.
func expected(trials []Trial) []time.Duration {
	cells := map[string]time.Duration{}
	if len(trials) > 0 {
		p := trials[0].Plan
		for _, c := range p.Estimate(scenarios.EmulatedVMs()).Cells {
			cells[c.ID] = time.Duration(c.Cost)
			if p.Clock == scenarios.ClockWall {
				cells[c.ID] = time.Duration(c.Duration)
			}
		}
	}
	cost := make([]time.Duration, len(trials))
	for i, t := range trials {
		cost[i] = cells[t.Cell.ID] / time.Duration(max(1, t.Waves))
	}
	return cost
}
