package measure

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
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
	latencies []time.Duration // from threat to report, of those reported before the injection
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
	if t.Reported && phase == before {
		k.latencies = append(k.latencies, t.Latency)
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
			}
			sum.latencies = append(sum.latencies, k.latencies...)
		}
	}
	return kinds
}

// detection is the share of probes that were detected in a phase.
func (c *cell) detection(phase int) results.Metric {
	var t tally
	for what, k := range sightings(c.valid()) {
		if (fleet.Threat{What: what}).Probe() {
			t.n += k.phases[phase].n
			t.yes += k.phases[phase].yes
		}
	}
	return t.metric("no probe was run in this phase")
}

// visible is the share of threats that were detected before the injection, each kind weighing the same.
func (c *cell) visible() results.Metric {
	all := sightings(c.valid())
	kinds := inOrder(all, fleet.ThreatKinds())
	threats := 0
	for _, k := range all {
		threats += k.phases[before].n
	}
	ran := func(s sample) bool {
		for _, k := range s.sightings {
			if k.phases[before].n > 0 {
				return true
			}
		}
		return false
	}
	m := c.bootstrappedOf("share", "no threat was run before the injection", ran, func(samples []sample) float64 {
		sum, ran := 0.0, 0
		for _, what := range kinds {
			var t tally
			for _, s := range samples {
				if k := s.sightings[what]; k != nil {
					t.n += k.phases[before].n
					t.yes += k.phases[before].yes
				}
			}
			if t.n > 0 {
				sum += float64(t.yes) / float64(t.n)
				ran++
			}
		}
		return sum / float64(ran)
	})
	m.N = threats
	seen := 0
	for _, k := range all {
		if k.phases[before].n > 0 {
			seen++
		}
	}
	if every := len(fleet.ThreatKinds()); seen > 0 && seen < every {
		m.Note = fmt.Sprintf("of the %d kinds of threats, of %d, that were run before the injection", seen, every)
	}
	return m
}

// visibility lists what became of each kind of threat.
func (c *cell) visibility() []results.Visibility {
	out := []results.Visibility{}
	kinds := sightings(c.valid())
	for _, what := range inOrder(kinds, fleet.ThreatKinds()) {
		k := kinds[what]
		of := func(t tally) results.Detected { return results.Detected{N: t.n, Detected: t.yes} }
		v := results.Visibility{What: what, Before: of(k.phases[before]), During: of(k.phases[during]), After: of(k.phases[afterwards])}
		if n := len(k.latencies); n > 0 {
			slices.Sort(k.latencies)
			v.Latency = seconds((k.latencies[(n-1)/2] + k.latencies[n/2]) / 2)
			v.LatencyMax = seconds(k.latencies[n-1])
		}
		out = append(out, v)
	}
	return out
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
