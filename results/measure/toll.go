package measure

import (
	"time"

	"github.com/fleetfall/fleetfall/agents/architecture"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/stats"
	"github.com/fleetfall/fleetfall/scenarios"
)

// A toll is what a host's beats say of its work and of what it ran short of.
type toll struct {
	work  [2]work // before the injection and after it: all kinds, as units have always been counted
	loads [2]map[string]work

	available float64 // bytes, sum over the beats before the injection that say it
	beats     int     // those beats
	least     float64 // bytes available after the injection; 0 when no beat said it

	delay   time.Duration // that tasks waited for the CPU, after the injection
	between time.Duration // in which they did: the time between those beats

	// After the injection.
	hung, pollsFailed, killed int
}

// A work is units of work and their time.
type work struct {
	units int
	total time.Duration
}

func (w work) plus(units int, total time.Duration) work {
	return work{w.units + units, w.total + total}
}

// mean is the time of one unit in seconds; there must be one.
func (w work) mean() float64 { return w.total.Seconds() / float64(w.units) }

// add counts a beat that came since after the one before it; 0 says that it is the first of its boot.
func (t *toll) add(b fleet.Beat, since time.Duration, injected bool) {
	phase := before
	if injected {
		phase = during
	}
	t.work[phase] = t.work[phase].plus(b.WorkUnits, b.WorkTotal)
	if t.loads[phase] == nil {
		t.loads[phase] = map[string]work{}
	}
	for _, l := range b.Loads {
		if l.Units <= 0 || l.Total < 0 {
			continue // no such work: a guest may say anything
		}
		t.loads[phase][l.What] = t.loads[phase][l.What].plus(l.Units, l.Total)
	}
	available := float64(b.Available)
	if !injected {
		if available > 0 {
			t.available += available
			t.beats++
		}
		return
	}
	if available > 0 && (t.least == 0 || available < t.least) {
		t.least = available
	}
	if since > 0 {
		t.delay += b.RunDelay
		t.between += since
	}
	t.hung += b.WorkHung
	t.pollsFailed += b.PollsFailed
	t.killed += b.Killed
}

// loadsOf is the work of all samples together, before the injection or after it, by kind.
func loadsOf(samples []sample, phase int) map[string]work {
	sum := map[string]work{}
	for _, s := range samples {
		for what, w := range s.toll.loads[phase] {
			sum[what] = sum[what].plus(w.units, w.total)
		}
	}
	return sum
}

// loads lists what each kind of work took.
func (c *cell) loads() []results.Load {
	of := func(w work) results.Work {
		out := results.Work{Units: w.units}
		if w.units > 0 {
			mean := w.mean()
			out.Mean = &mean
		}
		return out
	}
	earlier, later := loadsOf(c.valid(), before), loadsOf(c.valid(), during)
	kinds := map[string]bool{}
	for _, loads := range []map[string]work{earlier, later} {
		for what := range loads {
			kinds[what] = true
		}
	}
	out := []results.Load{}
	for _, what := range inOrder(kinds, fleet.LoadKinds()) {
		out = append(out, results.Load{What: what, Before: of(earlier[what]), After: of(later[what])})
	}
	return out
}

// bareWork is the work before the injection on all fleets without an agent, by repeat.
func bareWork(p *scenarios.Plan, cells map[string]*cell) map[int]map[string]work {
	samples := map[int][]sample{}
	for _, c := range p.Cells {
		if c.Fleet.Architecture != architecture.None {
			continue
		}
		for _, g := range cells[c.ID].groups {
			samples[g.repeat] = append(samples[g.repeat], g.samples...)
		}
	}
	bare := map[int]map[string]work{}
	for repeat, all := range samples {
		bare[repeat] = loadsOf(all, before)
	}
	return bare
}

// overhead compares a repeat's work with that of the fleets without an agent in the same repeat, so that the interval over
// repeats has in it how their work varies too.
func overhead(c *cell, g group) stats.Trial {
	own, bare := loadsOf(g.samples, before), c.bare[g.repeat]
	sum, n := 0.0, 0
	for _, what := range inOrder(bare, fleet.LoadKinds()) {
		if o, b := own[what], bare[what]; o.units > 0 && b.units > 0 && b.total > 0 {
			sum += o.mean() / b.mean()
			n++
		}
	}
	if n == 0 {
		return stats.Trial{Undefined: true}
	}
	return stats.Trial{Value: sum/float64(n) - 1}
}

// workLatency is the mean time of a unit of work after the injection.
func workLatency(_ *cell, g group) stats.Trial {
	var sum work
	for _, s := range g.samples {
		w := s.toll.work[during]
		sum = sum.plus(w.units, w.total)
	}
	if sum.units == 0 {
		return stats.Trial{Undefined: true}
	}
	return stats.Trial{Value: sum.mean()}
}

// memoryTaken is the mean over a repeat's hosts of the largest drop of their available memory.
func memoryTaken(_ *cell, g group) stats.Trial {
	return hostMean(g, func(s sample) (drop float64, said bool) {
		if s.toll.beats == 0 || s.toll.least == 0 {
			return 0, false
		}
		return max(0, s.toll.available/float64(s.toll.beats)-s.toll.least), true
	})
}

// runDelay is the mean over a repeat's hosts of the share of time that tasks waited for the CPU.
func runDelay(_ *cell, g group) stats.Trial {
	return hostMean(g, func(s sample) (share float64, said bool) {
		if s.toll.between == 0 {
			return 0, false
		}
		return s.toll.delay.Seconds() / s.toll.between.Seconds(), true
	})
}

// hostMean is the mean over those of a repeat's hosts that have a number; undefined when none has.
func hostMean(g group, of func(sample) (number float64, has bool)) stats.Trial {
	sum, n := 0.0, 0
	for _, s := range g.samples {
		if x, has := of(s); has {
			sum += x
			n++
		}
	}
	if n == 0 {
		return stats.Trial{Undefined: true}
	}
	return stats.Trial{Value: sum / float64(n)}
}
