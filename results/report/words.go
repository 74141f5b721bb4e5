package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/scenarios"
)

// labels are short names for the cells: of fleet, update, rollout and recovery those that tell them apart.
func labels(cells []results.Cell) []string {
	parts := []func(results.Cell) string{
		func(c results.Cell) string { return c.Fleet },
		func(c results.Cell) string { return c.Update },
		func(c results.Cell) string { return c.Rollout },
		func(c results.Cell) string { return c.Recovery },
	}
	out := make([]string, len(cells))
	for i, part := range parts {
		differs := slices.ContainsFunc(cells, func(c results.Cell) bool { return part(c) != part(cells[0]) })
		if i > 0 && !differs {
			continue // the fleet is always said
		}
		for j, c := range cells {
			if out[j] != "" {
				out[j] += " / "
			}
			out[j] += oneLine(part(c))
		}
	}
	for i := range out {
		if out[i] == "" || slices.Index(out, out[i]) != i {
			out[i] = oneLine(cells[i].ID)
		}
	}
	return out
}

// labelOf is the short name of the cell with this ID, or the ID.
func labelOf(r *results.Results, id string) string {
	for i, c := range r.Cells {
		if c.ID == id {
			return labels(r.Cells)[i]
		}
	}
	return oneLine(id)
}

// unitOf is the unit of a cell's metric, or else the catalogue's; "" when neither knows it.
func unitOf(r *results.Results, cell, key string) string {
	for _, c := range r.Cells {
		if m := c.Metrics[key]; c.ID == cell && m.Unit != "" {
			return m.Unit
		}
	}
	for _, m := range catalogue() {
		if m.Key == key {
			return m.Unit
		}
	}
	return ""
}

// metricLabel is the catalogue's label for a key, or the key.
func metricLabel(key string) string {
	for _, m := range catalogue() {
		if m.Key == key {
			return m.Label
		}
	}
	return oneLine(key)
}

// outcome is what an expectation's value came to, in words.
func outcome(r *results.Results, e results.Expectation) string {
	return value(results.Metric{Value: e.Value, AtLeast: e.AtLeast, Unit: unitOf(r, e.Cell, e.Metric)})
}

// verdict says in one sentence what came out.
func verdict(r *results.Results) string {
	var missed, open int
	for _, e := range r.Expectations {
		switch e.Status {
		case results.Missed:
			missed++
		case results.Inconclusive:
			open++
		}
	}
	n := len(r.Expectations)
	switch {
	case n == 0 && len(r.Cells) == 0:
		return "Nothing was measured."
	case n == 0:
		return "The scenario sets no expectations; it was measured, and nothing was judged."
	case missed == n && n == 1:
		return "The one expectation was missed."
	case missed == n:
		return fmt.Sprintf("All %s were missed.", count(n, "expectation"))
	case open == n && n == 1:
		return "The one expectation could not be judged."
	case open == n:
		return fmt.Sprintf("None of %s could be judged.", count(n, "expectation"))
	case missed > 0 && open > 0:
		return fmt.Sprintf("%d of %s missed, and %d could not be judged.", missed, count(n, "expectation"), open)
	case missed > 0:
		return fmt.Sprintf("%d of %s missed.", missed, count(n, "expectation"))
	case open > 0:
		return fmt.Sprintf("%d of %s could not be judged; none was missed.", open, count(n, "expectation"))
	case n == 1:
		return "The one expectation was met."
	}
	return fmt.Sprintf("All %s were met.", count(n, "expectation"))
}

// outcomeOf says in two words whether a run went as its scenario expected. Whether it went well is another question.
func outcomeOf(r *results.Results) string {
	switch {
	case len(r.Expectations) == 0 && len(r.Cells) > 0:
		return "nothing expected"
	case r.Verdict == results.Met:
		return "as expected"
	case r.Verdict == results.Missed:
		return "not as expected"
	}
	return "inconclusive"
}

// metMeans keeps who reads of expectations that were met from taking it for praise; it is empty when none was.
func metMeans(r *results.Results) string {
	if !slices.ContainsFunc(r.Expectations, func(e results.Expectation) bool { return e.Status == results.Met }) {
		return ""
	}
	return "Met says that the outcome was foreseen, not that it was good."
}

// runState says how the run ended when that limits what can be concluded; it is empty for a complete run.
func runState(r *results.Results) string {
	reason := ""
	if r.Run.Reason != "" {
		reason = " (" + strings.TrimSuffix(oneLine(r.Run.Reason), ".") + ")"
	}
	switch r.Run.Status {
	case "complete", "":
		return ""
	case results.StatusRunning:
		return "The run is still running. What follows covers what was recorded until now."
	case "interrupted":
		return "The run was interrupted" + reason + ". What follows covers what was recorded until then."
	case "failed":
		return "The run failed" + reason + ". What follows covers what was recorded until then."
	}
	return "The run ended as “" + oneLine(r.Run.Status) + "”" + reason + "."
}

// clockMeaning says what a run's times depend on; it is empty for a clock that is not known.
func clockMeaning(clock string) string {
	switch clock {
	case scenarios.ClockWall:
		return "Times are of the wall clock: contention on the machine stretches them."
	case scenarios.ClockVirtual:
		return "Times are of the virtual clock, counted in instructions of the guests: they do not depend on the machine's speed."
	}
	return ""
}

// finding says in words what happened to a cell.
func finding(c results.Cell, deadline time.Duration) string {
	blast, ok := c.Metrics["blast_radius"]
	if !ok || blast.Value == nil {
		if blast.Note != "" {
			return "no result: " + oneLine(blast.Note) + "."
		}
		return "no result."
	}
	counted, hit, back, censored := 0, 0, 0, 0
	for _, h := range c.HostsDetail {
		if h.Invalid == "" {
			counted++
		}
		switch {
		case h.Invalid != "":
		case h.Censored:
			hit, censored = hit+1, censored+1
		case h.FirstUnavailable != nil:
			hit, back = hit+1, back+1
		}
	}
	var s strings.Builder
	if *blast.Value == 0 {
		fmt.Fprintf(&s, "no host of %d became unavailable", counted)
	} else {
		fmt.Fprintf(&s, "%s of %s became unavailable", share(*blast.Value), count(counted, "host"))
	}
	if blast.N > 1 {
		fmt.Fprintf(&s, " in %s", count(blast.N, "repeat"))
		if iv := interval(blast); iv != "" {
			what := "interval"
			if blast.OneSided {
				what = "limit"
			}
			fmt.Fprintf(&s, " (%s %s %s)", share(blast.Level), what, iv)
		}
	}
	if m := c.Metrics["time_to_recover_median"]; m.Value != nil && *blast.Value > 0 {
		fmt.Fprintf(&s, "; half of them were back within %s of going down", seconds(*m.Value))
	} else if hit > 0 && back == 0 {
		s.WriteString("; none of them came back")
	}
	if censored > 0 && back > 0 {
		fmt.Fprintf(&s, "; %s not back by the deadline of %s", was(censored), seconds(deadline.Seconds()))
	}
	if m := c.Metrics["protection_radius"]; m.Value != nil && *m.Value > *blast.Value {
		fmt.Fprintf(&s, "; %s lost protection", share(*m.Value))
	}
	s.WriteString(".")
	return s.String()
}

func was(n int) string {
	if n == 1 {
		return "1 was"
	}
	return fmt.Sprintf("%d were", n)
}
