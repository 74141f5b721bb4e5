package measure

import (
	"math"
	"time"

	"github.com/fleetfall/fleetfall/agents/architecture"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
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

// bareWork is the work before the injection on all fleets without an agent.
func bareWork(p *scenarios.Plan, cells map[string]*cell) map[string]work {
	var samples []sample
	for _, c := range p.Cells {
		if c.Fleet.Architecture == architecture.None {
			samples = append(samples, cells[c.ID].valid()...)
		}
	}
	return loadsOf(samples, before)
}

// overhead compares the cell's work with that of fleets without an agent. Their means are taken as they are: the
// interval is that of the cell's hosts alone.
func (c *cell) overhead() results.Metric {
	if len(c.bare) == 0 {
		return results.Metric{Note: "no work of a fleet without an agent to compare with"}
	}
	kinds := inOrder(c.bare, fleet.LoadKinds())
	ratio := func(samples []sample) float64 {
		sum, n := 0.0, 0
		for _, what := range kinds {
			var own work
			for _, s := range samples {
				w := s.toll.loads[before][what]
				own = own.plus(w.units, w.total)
			}
			if bare := c.bare[what]; bare.units > 0 && bare.total > 0 && own.units > 0 {
				sum += own.mean() / bare.mean()
				n++
			}
		}
		return sum/float64(n) - 1 // not a number when they have no kind in common
	}
	worked := func(s sample) bool { return !math.IsNaN(ratio([]sample{s})) }
	return c.bootstrappedOf("no work before the injection", worked, ratio)
}

// workLatency is the mean time of a unit of work after the injection.
func (c *cell) workLatency() results.Metric {
	worked := func(s sample) bool { return s.toll.work[during].units > 0 }
	return c.bootstrappedOf("no workload ran after the injection", worked, func(samples []sample) float64 {
		var sum work
		for _, s := range samples {
			sum = sum.plus(s.toll.work[during].units, s.toll.work[during].total)
		}
		return sum.mean()
	})
}

// memoryTaken is the mean over hosts of the largest drop of their available memory.
func (c *cell) memoryTaken() results.Metric {
	said := func(s sample) bool { return s.toll.beats > 0 && s.toll.least > 0 }
	return c.bootstrappedOf("no host said what memory it had before the injection and after it", said, func(samples []sample) float64 {
		sum := 0.0
		for _, s := range samples {
			sum += max(0, s.toll.available/float64(s.toll.beats)-s.toll.least)
		}
		return sum / float64(len(samples))
	})
}

// runDelay is the mean over hosts of the share of time that tasks waited for the CPU.
func (c *cell) runDelay() results.Metric {
	beat := func(s sample) bool { return s.toll.between > 0 }
	return c.bootstrappedOf("no two beats of a boot came after the injection", beat, func(samples []sample) float64 {
		sum := 0.0
		for _, s := range samples {
			sum += s.toll.delay.Seconds() / s.toll.between.Seconds()
		}
		return sum / float64(len(samples))
	})
}
