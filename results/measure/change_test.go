package measure_test

import (
	"testing"

	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/measure"
)

func TestChanges(t *testing.T) {
	number := func(v float64) *float64 { return &v }
	of := func(metrics map[string]results.Metric) *results.Results {
		return &results.Results{Cells: []results.Cell{{ID: "a/b", Metrics: metrics}}}
	}
	base := func() map[string]results.Metric {
		return map[string]results.Metric{
			"blast_radius": {Value: number(1), Lo: number(0.5), Hi: number(1), N: 4, Unit: "share"},
			"crashes":      {Note: "no valid sample", Unit: "count"},
		}
	}
	for name, c := range map[string]struct {
		edit func(map[string]results.Metric)
		want string
	}{
		"value": {func(m map[string]results.Metric) {
			m["blast_radius"] = results.Metric{Value: number(0.75), Lo: number(0.5), Hi: number(1), N: 4, Unit: "share"}
		}, "cell a/b: blast_radius was 1 share (0.5 to 1) of 4, and is 0.75 share (0.5 to 1) of 4"},
		"interval": {func(m map[string]results.Metric) {
			m["blast_radius"] = results.Metric{Value: number(1), Lo: number(0.6), Hi: number(1), N: 4, Unit: "share"}
		}, "cell a/b: blast_radius was 1 share (0.5 to 1) of 4, and is 1 share (0.6 to 1) of 4"},
		"samples": {func(m map[string]results.Metric) {
			m["blast_radius"] = results.Metric{Value: number(1), Lo: number(0.5), Hi: number(1), N: 3, Unit: "share"}
		}, "cell a/b: blast_radius was 1 share (0.5 to 1) of 4, and is 1 share (0.5 to 1) of 3"},
		"note": {func(m map[string]results.Metric) { m["crashes"] = results.Metric{Note: "lost", Unit: "count"} },
			"cell a/b: crashes was none (no valid sample), and is none (lost)"},
		"bound": {func(m map[string]results.Metric) {
			m["crashes"] = results.Metric{AtLeast: number(2), Note: "no valid sample", Unit: "count"}
		}, "cell a/b: crashes was none (no valid sample), and is at least 2 count of 0, no valid sample"},
		"unit": {func(m map[string]results.Metric) {
			m["blast_radius"] = results.Metric{Value: number(1), Lo: number(0.5), Hi: number(1), N: 4, Unit: "ratio"}
		}, "cell a/b: blast_radius was 1 share (0.5 to 1) of 4, and is 1 ratio (0.5 to 1) of 4"},
		"one limit": {func(m map[string]results.Metric) {
			m["blast_radius"] = results.Metric{Value: number(1), Lo: number(0.5), N: 4, Unit: "share"}
		}, "cell a/b: blast_radius was 1 share (0.5 to 1) of 4, and is 1 share of 4"},
		"gone": {func(m map[string]results.Metric) { delete(m, "crashes") },
			"cell a/b: crashes was none (no valid sample), and is none (no reason given)"},
	} {
		now := base()
		c.edit(now)
		compared, changes := measure.Changes(of(base()), of(now))
		if compared != 2 || len(changes) != 1 || changes[0].String() != c.want {
			t.Errorf("%s: %d compared, changes %v, want %q", name, compared, changes, c.want)
		}
	}
	if compared, changes := measure.Changes(of(base()), of(base())); compared != 2 || len(changes) > 0 {
		t.Errorf("the same: %d compared, changes %v", compared, changes)
	}
	if _, changes := measure.Changes(of(base()), &results.Results{}); len(changes) != 2 {
		t.Errorf("a cell that is gone: %v", changes)
	}
}
