package report

import (
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/results"
)

// TestOverRepeats: what a figure is over is said once, and of too few repeats what would give an interval.
func TestOverRepeats(t *testing.T) {
	for n, want := range map[int]string{
		0: "",
		1: "1 repeat has no interval: 3 would give one of means and shares, 5 of times of recovery, and 6 could tell fleets apart.",
		2: "2 repeats have no interval: 3 would give one of means and shares, 5 of times of recovery, and 6 could tell fleets apart.",
		4: "Figures are means over 4 repeats, with 96 % intervals of Student's t, or 95 % ones of shares; of times of recovery they are medians, " +
			"which have intervals from 5 repeats on. Where all repeats agree there is none.",
		5: "Figures are means over 5 repeats, with 96 % intervals of Student's t, or 95 % ones of shares; of times of recovery they are medians, " +
			"with 93.8 % intervals. Where all repeats agree there is none.",
	} {
		r := &results.Results{Cells: []results.Cell{{Metrics: map[string]results.Metric{"crashes": {N: n}}}}}
		if got := overRepeats(r); got != want {
			t.Errorf("of %d: %q, want %q", n, got, want)
		}
	}
}

// TestAsides: the line of provenance names what was run, and pace and overhead say what they are of.
func TestAsides(t *testing.T) {
	r := outage()
	r.Scenario.Paces = []string{"a technician comes after 2s and takes 4s"}
	r.Provenance.Facts = append(r.Provenance.Facts, results.Fact{Name: "image tiny", Value: "0123456789abcdef0, kernel 6.1"},
		results.Fact{Name: "image tiny sources", Value: "fedcba"}, results.Fact{Name: "fleetfall", Value: "v1 (commit 12ab)"})
	got := strings.Join(asides(r), "\n")
	for _, want := range []string{
		"5 repeats of 4 hosts a cell, seed 291, virtual clock, QEMU 7.2.22, image tiny 0123456789ab, fleetfall v1 (commit 12ab), run 5f1c9a.",
		"Times are of this scenario's pace: a technician comes after 2s and takes 4s.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not said:\n%s", want, got)
		}
	}
	if strings.Contains(got, "Overhead") {
		t.Error("an overhead is spoken of that no cell has")
	}
	r.Cells[0].Metrics["overhead"] = fig(0.1, 0, 0.2, 5, "ratio")
	if !strings.Contains(strings.Join(asides(r), "\n"), "Overhead is of instructions, at 2 ns each") {
		t.Error("an overhead of the virtual clock is not said to be of instructions")
	}
	r.Provenance.Clock = "wall"
	if strings.Contains(strings.Join(asides(r), "\n"), "instructions") {
		t.Error("an overhead of the wall clock is said to be of instructions")
	}
}

// TestIntervals in words: open ends, one-sided limits, and what was not reached.
func TestIntervals(t *testing.T) {
	for _, tt := range []struct {
		m    results.Metric
		want string
	}{
		{results.Metric{Value: ptr(0.5), Lo: ptr(0.2), Hi: ptr(0.8), Unit: "share"}, "20–80 %"},
		{results.Metric{Value: ptr(0), Lo: ptr(0), Hi: ptr(0.45), OneSided: true, Unit: "share"}, "≤ 45 %"},
		{results.Metric{Value: ptr(1), Lo: ptr(0.55), Hi: ptr(1), OneSided: true, Unit: "share"}, "≥ 55 %"},
		{results.Metric{Value: ptr(20), Lo: ptr(10), Hi: ptr(30), HiAtLeast: true, Unit: "s"}, "≥ 10 s"},
		{results.Metric{Value: ptr(20), Lo: ptr(10), Unit: "s"}, "≥ 10 s"},
		{results.Metric{Value: ptr(20), Unit: "s"}, ""},
	} {
		if got := interval(tt.m); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.m, got, tt.want)
		}
	}
}
