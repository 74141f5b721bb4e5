package measure

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/stats"
)

// Phases of a trial, as threats fall into them.
const (
	before = iota // the injection
	during        // until the whole fleet had recovered
	afterwards
	phases
)

type threat struct {
	at time.Duration // after the injection
	fleet.Threat
}

// A sighting is what became of a host's threats of one kind.
type sighting struct {
	phases    [phases]tally
	latencies [phases][]time.Duration // from threat to report, of those reported
}

// tallyThreats sorts a trial's threats by kind and phase.
func tallyThreats(samples []sample) {
	var recovered time.Duration
	for _, s := range samples {
		if s.detail.Invalid == "" {
			recovered = max(recovered, s.quiet)
		}
	}
	for i := range samples {
		kinds := map[string]*sighting{}
		for _, x := range samples[i].seen {
			phase := before
			switch {
			case x.at > recovered:
				phase = afterwards
			case x.at > 0:
				phase = during
			}
			if kinds[x.What] == nil {
				kinds[x.What] = &sighting{}
			}
			kinds[x.What].add(phase, x.Threat)
		}
		samples[i].sightings = kinds
	}
}

func (k *sighting) add(phase int, t fleet.Threat) {
	k.phases[phase].n++
	if t.Detected() {
		k.phases[phase].yes++
	}
	if t.Reported {
		k.latencies[phase] = append(k.latencies[phase], t.Latency)
	}
}

// sightings are those of all samples together, by kind.
func sightings(samples []sample) map[string]*sighting {
	kinds := map[string]*sighting{}
	for _, s := range samples {
		for what, k := range s.sightings {
			sum := kinds[what]
			if sum == nil {
				sum = &sighting{}
				kinds[what] = sum
			}
			for phase, t := range k.phases {
				sum.phases[phase].n += t.n
				sum.phases[phase].yes += t.yes
				sum.latencies[phase] = append(sum.latencies[phase], k.latencies[phase]...)
			}
		}
	}
	return kinds
}

// detection is the share of a repeat's probes that were detected in a phase.
func detection(phase int) statistic {
	return statistic{kind: stats.Shares, none: "no probe was run in this phase", of: func(_ *cell, g group) stats.Trial {
		var t tally
		for what, k := range sightings(g.samples) {
			if (fleet.Threat{What: what}).Probe() {
				t.n += k.phases[phase].n
				t.yes += k.phases[phase].yes
			}
		}
		return t.trial()
	}}
}

// visible is the share of a repeat's threats that were detected before the injection, each kind weighing the same.
func visible(_ *cell, g group) stats.Trial {
	kinds := sightings(g.samples)
	sum, n := 0.0, 0
	for _, what := range slices.Sorted(maps.Keys(kinds)) { // a sum depends on its order
		if t := kinds[what].phases[before].trial(); !t.Undefined {
			sum += t.Value
			n++
		}
	}
	if n == 0 {
		return stats.Trial{Undefined: true}
	}
	return stats.Trial{Value: min(1, sum/float64(n))}
}

// kindsTried says of how many kinds of threats a visibility is, unless they are all.
func kindsTried(c *cell, _ results.Metric) string {
	tried := 0
	for _, k := range sightings(c.valid()) {
		if k.phases[before].n > 0 {
			tried++
		}
	}
	if every := len(fleet.ThreatKinds()); tried < every {
		return fmt.Sprintf("of the %d kinds of threats, of %d, that were run before the injection", tried, every)
	}
	return ""
}

// visibility lists what became of each kind of threat.
func (c *cell) visibility() []results.Visibility {
	out := []results.Visibility{}
	kinds := sightings(c.valid())
	for _, what := range inOrder(kinds, fleet.ThreatKinds()) {
		k := kinds[what]
		out = append(out, results.Visibility{What: what, Before: k.detected(before), During: k.detected(during), After: k.detected(afterwards)})
	}
	return out
}

// detected is what became of the threats of a phase, and how late those were reported that were.
func (k *sighting) detected(phase int) results.Detected {
	d := results.Detected{N: k.phases[phase].n, Detected: k.phases[phase].yes}
	if l := k.latencies[phase]; len(l) > 0 {
		slices.Sort(l)
		low, high := l[(len(l)-1)/2], l[len(l)/2]
		d.Latency = seconds(low + (high-low)/2)
		d.LatencyMax = seconds(l[len(l)-1])
	}
	return d
}

// inOrder lists kinds in the order given, and those that it does not have after them, by name.
func inOrder[T any](kinds map[string]T, order []string) []string {
	place := func(what string) int {
		if i := slices.Index(order, what); i >= 0 {
			return i
		}
		return len(order)
	}
	return slices.SortedFunc(maps.Keys(kinds), func(a, b string) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b))
	})
}
