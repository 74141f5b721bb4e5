package measure_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/measure"
)

// threat is one that was reported after a latency, or missed when that is 0.
func threat(what string, latency time.Duration) fleet.Threat {
	return fleet.Threat{What: what, Reported: latency > 0, Latency: latency}
}

// TestVisibility has an agent that reports marks, misses renames, and sees of module and odd what only one of two hosts runs.
func TestVisibility(t *testing.T) {
	y := newStory("user").begin("a", "b") // two probes of exec each, blocked and not reported
	y.at(-9, "a", threat("rename", 0)).at(-9, "b", threat("rename", 0))
	y.at(-8, "a", fleet.Threat{What: "module", Inherited: true}) // the template missed it
	y.at(-7, "a", threat("mark", 1*s)).at(-7, "b", threat("mark", 3*s)).at(-6, "b", threat("mark", 8*s))
	y.at(-5, "a", threat("odd", s)).at(-5, "b", threat("odd", 0))
	y.at(-4, "b", fleet.Threat{What: "module", Blocked: true})
	y.at(2, "a", threat("mark", 0)).at(2, "a", beat()).at(4, "a", threat("mark", 90*s)).at(4, "a", beat())
	y.beats(5, 20, "a", "b").at(20, "a", threat("rename", 0)).at(20, "b", threat("rename", 2*s)).end(20, "settled")
	c := measure.Compute(y.journal).Cells[0]
	expectMetrics(t, c, map[string]float64{
		"visibility":       (1 + 1 + 1 + 0 + 0.5) / 5, // exec, mark, module, rename, odd
		"detection_before": 1, "detection_during": 0.5, "protection_radius": 0.5, "protection_gap": 2.0 / 2,
	})
	if m := c.Metrics["visibility"]; m.N != 1 || m.Note != "of the 5 kinds of threats, of 9, that were run before the injection" {
		t.Errorf("visibility of %d repeats, want one, with the note %q", m.N, m.Note)
	}
	late := func(n, detected int, median, longest float64) results.Detected {
		return results.Detected{N: n, Detected: detected, Latency: &median, LatencyMax: &longest}
	}
	want := []results.Visibility{
		{What: "exec", Before: results.Detected{N: 4, Detected: 4}},
		{What: "mark", Before: late(3, 3, 3, 8), During: late(2, 1, 90, 90)},
		{What: "module", Before: results.Detected{N: 1, Detected: 1}},
		{What: "rename", Before: results.Detected{N: 2}, After: late(2, 1, 2, 2)},
		{What: "odd", Before: late(2, 1, 1, 1)},
	}
	if diff := cmp.Diff(want, c.Visibility); diff != "" {
		t.Errorf("visibility (-want +got):\n%s", diff)
	}
}

// TestVisibilityOfEveryKind needs no note. A kind that was run after the injection alone is none that was tried.
func TestVisibilityOfEveryKind(t *testing.T) {
	note := func(from float64, what string) string {
		y := newStory("kernel").begin("a")
		for _, kind := range fleet.ThreatKinds() {
			at := -5.0
			if kind == what {
				at = from
			}
			y.at(at, "a", fleet.Threat{What: kind, Blocked: true})
		}
		m := measure.Compute(y.beats(5, 9, "a").end(9, "settled").journal).Cells[0].Metrics["visibility"]
		if m.Value == nil || *m.Value != 1 {
			t.Errorf("%s at %v: %+v, want all to be seen", what, from, m)
		}
		return m.Note
	}
	if got := note(-5, "rename"); got != "" {
		t.Errorf("the note on all kinds is %q", got)
	}
	if got := note(5, "rename"); got != "of the 8 kinds of threats, of 9, that were run before the injection" {
		t.Errorf("the note on all kinds but one is %q", got)
	}
}

// TestVisibilityIsNeverCertain: five repeats that detect all do not say that all would.
func TestVisibilityIsNeverCertain(t *testing.T) {
	y := newStory("kernel")
	for range 5 {
		y.begin("a", "b").beats(5, 9, "a", "b").end(9, "settled")
	}
	m := measure.Compute(y.journal).Cells[0].Metrics["visibility"]
	if *m.Value != 1 || *m.Hi != 1 || math.Abs(*m.Lo-math.Pow(0.05, 1.0/5)) > 1e-12 || !m.OneSided || m.N != 5 {
		t.Errorf("visibility %v of %d, from %v to %v", *m.Value, m.N, *m.Lo, *m.Hi)
	}
}

func TestVisibilityOfNothing(t *testing.T) {
	y := newStory("kernel").begin("a").beats(5, 9, "a").end(9, "settled")
	y.trial.Events = nil
	if m := measure.Compute(y.journal).Cells[0].Metrics["visibility"]; m.Value != nil || m.Note == "" {
		t.Errorf("visibility without threats is %+v, want none and a note", m)
	}
}
