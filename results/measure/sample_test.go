package measure

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/health"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/stats"
	"github.com/fleetfall/fleetfall/scenarios"
)

// TestStable: a host has recovered where it begins to be available for long enough. Observation ends at 60 s.
func TestStable(t *testing.T) {
	for _, tt := range []struct {
		name      string
		down      []health.Span // in seconds
		stableFor time.Duration
		want      time.Duration // -1 for never
	}{
		{"once", []health.Span{{From: 4, To: 10}}, 5, 10},
		{"back too briefly at first", []health.Span{{From: 4, To: 10}, {From: 14, To: 20}}, 5, 20},
		{"back for just long enough", []health.Span{{From: 4, To: 10}, {From: 15, To: 20}}, 5, 10},
		{"just long enough at the end", []health.Span{{From: 4, To: 55}}, 5, 55},
		{"too late", []health.Span{{From: 4, To: 56}}, 5, -1},
		{"never", []health.Span{{From: 4, To: 60}}, 5, -1},
		{"never, where an instant would do", []health.Span{{From: 4, To: 60}}, 0, -1},
		{"from one trouble into the next", []health.Span{{From: 4, To: 9}, {From: 9, To: 12}}, 0, 12},
	} {
		at, ok := stable(tt.down, 60, tt.stableFor)
		if ok != (tt.want >= 0) || ok && at != tt.want {
			t.Errorf("%s: recovered %v at %d, want %d", tt.name, ok, at, tt.want)
		}
	}
}

// TestJudged: what is only known to be so much at least decides where more of it would change nothing.
func TestJudged(t *testing.T) {
	five, six := 5.0, 6.0
	known, bound := results.Metric{Value: &five}, results.Metric{AtLeast: &five, Note: "not reached"}
	const longer = "not reached: a longer deadline would tell"
	for _, tt := range []struct {
		name        string
		metric      results.Metric
		least, most *float64
		want        results.Status
		note        string
	}{
		{"no bound", known, nil, nil, results.Met, ""},
		{"as much as it may be", known, nil, &five, results.Met, ""},
		{"more than it may be", results.Metric{Value: &six, Note: "why"}, nil, &five, results.Missed, "why"},
		{"as much as it must be", known, &five, nil, results.Met, ""},
		{"less than it must be", known, &six, nil, results.Missed, ""},
		{"at least what it must be", bound, &five, nil, results.Met, ""},
		{"perhaps less than it must be", bound, &six, nil, results.Inconclusive, longer},
		{"perhaps more than it may be", bound, nil, &five, results.Inconclusive, longer},
		{"more already", results.Metric{AtLeast: &six, Note: "not reached"}, nil, &five, results.Missed, "not reached"},
		{"nobody needed it", results.Metric{Note: noHostHit}, nil, &five, results.Met, noHostHit},
		{"nobody needed so much", results.Metric{Note: noHostHit}, &five, nil, results.Inconclusive, noHostHit},
		{"nobody saw it", results.Metric{Note: noSample}, nil, &five, results.Inconclusive, noSample},
		{"it is not there", results.Metric{}, nil, &five, results.Inconclusive, "no such figure"},
	} {
		if status, note := judged(tt.metric, tt.least, tt.most); status != tt.want || note != tt.note {
			t.Errorf("%s: %s, %q, want %s, %q", tt.name, status, note, tt.want, tt.note)
		}
	}
}

// TestPairedDifference: of a second that was cut nothing is known, and of a first a bound.
func TestPairedDifference(t *testing.T) {
	pair := func(a, b stats.Trial) stats.Pair { return stats.Pair{A: a, B: b} }
	at := func(value float64) stats.Trial { return stats.Trial{Value: value} }
	cut, undefined := stats.Trial{Value: 9, Censored: true}, stats.Trial{Undefined: true}
	for _, tt := range []struct {
		name           string
		pairs          []stats.Pair
		value, atLeast float64 // -1 for none
		note           string
	}{
		{"two", []stats.Pair{pair(at(7), at(4)), pair(at(6), at(5))}, 2, -1, ""},
		{"one left out", []stats.Pair{pair(at(7), at(4)), pair(undefined, at(5)), pair(at(6), undefined)}, 3, -1, ""},
		{"the first was cut", []stats.Pair{pair(cut, at(4))}, 5, 5, ""},
		{"the second was cut", []stats.Pair{pair(at(7), at(4)), pair(at(6), cut)}, -1, -1,
			"how large it is, censored trials do not tell"},
	} {
		m := pairedDifference(tt.pairs)
		is := func(got *float64, want float64) bool { return want < 0 && got == nil || got != nil && *got == want }
		if !is(m.Value, tt.value) || !is(m.AtLeast, tt.atLeast) || m.Note != tt.note {
			t.Errorf("%s: %+v", tt.name, m)
		}
	}
}

// TestPeakOf: a host that comes back as another goes is not unavailable together with it.
func TestPeakOf(t *testing.T) {
	// down is a host that is unavailable from a time to another, and perhaps again.
	down := func(times ...time.Duration) sample {
		var s sample
		for i := 0; i < len(times); i += 2 {
			s.unavailable = append(s.unavailable, health.Span{From: times[i], To: times[i+1]})
		}
		return s
	}
	for _, tt := range []struct {
		name  string
		group []sample
		want  int
	}{
		{"nobody", []sample{down(), down()}, 0},
		{"one after the other", []sample{down(5, 8), down(2, 5)}, 1},
		{"one before the other is back", []sample{down(4, 8), down(2, 5)}, 2},
		{"two of three at a time", []sample{down(1, 3, 7, 9), down(2, 5), down(4, 8)}, 2},
	} {
		if got := peakOf(tt.group); got != tt.want {
			t.Errorf("%s: %d at once, want %d", tt.name, got, tt.want)
		}
	}
}

// TestWork: units and their time add up, and the mean is of one unit.
func TestWork(t *testing.T) {
	var w work
	for _, of := range []work{{2, 3 * time.Second}, {1, 6 * time.Second}} {
		w = w.plus(of.units, of.total)
	}
	if want := (work{3, 9 * time.Second}); w != want || w.mean() != 3 {
		t.Errorf("%+v with a mean of %v s, want %+v with 3 s", w, w.mean(), want)
	}
}

// TestLatencyOfReports: of an even number the median is half way between the two in the middle.
func TestLatencyOfReports(t *testing.T) {
	for _, tt := range []struct {
		latencies       []time.Duration
		median, longest float64
	}{
		{[]time.Duration{7 * time.Second}, 7, 7},
		{[]time.Duration{6 * time.Second, 2 * time.Second}, 4, 6},
		{[]time.Duration{9 * time.Second, time.Second, 2 * time.Second}, 2, 9},
		{[]time.Duration{8 * time.Second, time.Second, 5 * time.Second, 2 * time.Second}, 3.5, 8},
	} {
		var k sighting
		for _, l := range tt.latencies {
			k.add(during, fleet.Threat{Reported: true, Latency: l})
		}
		n := len(tt.latencies)
		want := results.Detected{N: n, Detected: n, Latency: &tt.median, LatencyMax: &tt.longest}
		if diff := cmp.Diff(want, k.detected(during)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.latencies, diff)
		}
	}
}

// TestPaces says what hosts of a plan wait for, each way once.
func TestPaces(t *testing.T) {
	const s = scenarios.Duration(time.Second)
	fixed := func(d scenarios.Duration) scenarios.Distribution { return scenarios.Distribution{Kind: "fixed", A: d} }
	visit := scenarios.Recovery{Strategy: "technician", Notice: 90 * s, HandsOn: fixed(4 * s), Restart: 2 * s}
	varied := visit
	varied.Restart, varied.HandsOn = 0, scenarios.Distribution{Kind: "uniform", A: 2 * s, B: 6 * s}
	edited := visit
	edited.HandsOn.Kind = "sometimes"
	p := &scenarios.Plan{Cells: []scenarios.Cell{
		{Update: scenarios.Update{RevertAfter: 120 * s}, Recovery: visit}, {Recovery: varied}, {Recovery: edited},
		{Recovery: scenarios.Recovery{Strategy: "none", Restart: 3600 * s}}, {Recovery: varied},
	}}
	const comes = "a technician comes after 1m30s and takes "
	want := []string{
		"the update is reverted after 2m; " + comes + "4s; a panic is followed by a restart after 2s",
		"the update is not reverted; " + comes + "4s (median)",
		"the update is not reverted; " + comes + "an unknown time; a panic is followed by a restart after 2s",
		"the update is not reverted; nobody comes; a panic is followed by a restart after 1h",
	}
	if got := paces(p); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}
