package measure

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/fleetfall/fleetfall/results"
)

// A Change is a metric that is another in two results of one plan.
type Change struct {
	Cell   string
	Metric string
	Was    results.Metric
	Is     results.Metric
}

func (c Change) String() string {
	return fmt.Sprintf("cell %s: %s was %s, and is %s", c.Cell, c.Metric, figure(c.Was), figure(c.Is))
}

// figure is a metric with all that two of them can differ in.
func figure(m results.Metric) string {
	known := cmp.Or(m.Value, m.AtLeast)
	if known == nil {
		return "none (" + cmp.Or(m.Note, "no reason given") + ")"
	}
	text := fmt.Sprintf("%v %s", *known, m.Unit)
	if m.AtLeast != nil {
		text = "at least " + text
	}
	if m.Lo != nil && m.Hi != nil {
		text += fmt.Sprintf(" (%v to %v)", *m.Lo, *m.Hi)
	}
	text += fmt.Sprintf(" of %d", m.N)
	if m.Note != "" {
		text += ", " + m.Note
	}
	return text
}

// Changes compares the metrics of all cells of two results, and counts them. They are the same when value, lower
// bound, interval, number of samples and note are.
func Changes(before, now *results.Results) (compared int, changes []Change) {
	later := map[string]results.Cell{}
	for _, c := range now.Cells {
		later[c.ID] = c
	}
	for _, c := range before.Cells {
		is := later[c.ID].Metrics
		names := maps.Clone(c.Metrics)
		maps.Copy(names, is)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			compared++
			if a, b := c.Metrics[name], is[name]; !same(a, b) {
				changes = append(changes, Change{c.ID, name, a, b})
			}
		}
	}
	return compared, changes
}

func same(a, b results.Metric) bool {
	equal := func(x, y *float64) bool { return x == y || x != nil && y != nil && *x == *y }
	return equal(a.Value, b.Value) && equal(a.AtLeast, b.AtLeast) && equal(a.Lo, b.Lo) && equal(a.Hi, b.Hi) && a.N == b.N && a.Unit == b.Unit && a.Note == b.Note
}
