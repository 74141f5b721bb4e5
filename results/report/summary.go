package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/results"
)

// A cellGroup is what a report of many cells sums up: the cells of a fleet or, where fleets are many as well, of an
// architecture.
type cellGroup struct {
	Label string
	Cells []results.Cell
	Names []string // of each cell within the group
}

// cellGroups are in the order of cells.
func cellGroups(cells []results.Cell) []cellGroup {
	fleet := func(c results.Cell) string {
		return matrixRow{Fleet: oneLine(c.Fleet), Architecture: oneLine(c.Architecture), Control: c.Control}.Name()
	}
	of, names := fleet, labels(cells)
	if len(distinct(cells, fleet)) > fewCells {
		of = func(c results.Cell) string {
			return matrixRow{Fleet: oneLine(c.Architecture), Architecture: oneLine(c.Architecture), Control: c.Control}.Name()
		}
	}
	var groups []cellGroup
	for i, c := range cells {
		j := slices.IndexFunc(groups, func(g cellGroup) bool { return g.Label == of(c) })
		if j < 0 {
			j = len(groups)
			groups = append(groups, cellGroup{Label: of(c)})
		}
		groups[j].Cells = append(groups[j].Cells, c)
		groups[j].Names = append(groups[j].Names, strings.TrimPrefix(names[i], oneLine(c.Fleet)+" / "))
	}
	return groups
}

// findings say what happened in a sentence for each cell or, of many, for each group of them. They rest on figures
// alone, and on no expectation.
func findings(r *results.Results) []cellFinding {
	deadline := time.Duration(r.Scenario.Deadline)
	var out []cellFinding
	if len(r.Cells) > fewCells {
		for _, g := range cellGroups(r.Cells) {
			out = append(out, cellFinding{g.Label, g.finding(deadline)})
		}
		return out
	}
	names := labels(r.Cells)
	for i, c := range r.Cells {
		out = append(out, cellFinding{names[i], finding(c, deadline)})
	}
	return out
}

// faulty are the group's cells whose update is faulty; of one that has none, as a control arm, they are all its cells.
func (g cellGroup) faulty() cellGroup {
	out := g.where(func(c results.Cell) bool { return c.Fault != "none" })
	if len(out.Cells) == 0 {
		return g
	}
	return out
}

func (g cellGroup) where(is func(results.Cell) bool) cellGroup {
	out := cellGroup{Label: g.Label}
	for i, c := range g.Cells {
		if is(c) {
			out.Cells, out.Names = append(out.Cells, c), append(out.Names, g.Names[i])
		}
	}
	return out
}

// over are the cells that have a metric above a bound.
func (g cellGroup) over(key string, bound float64) cellGroup {
	return g.where(func(c results.Cell) bool { v := known(c.Metrics[key]); return v != nil && *v > bound })
}

// known is a figure, or what it is at least.
func known(m results.Metric) *float64 {
	if m.Value == nil {
		return m.AtLeast
	}
	return m.Value
}

// worst is the largest figure of a metric as text, and the cells that have it; both are empty when no cell has any.
func (g cellGroup) worst(key string) (figure, cells string) {
	var most results.Metric
	var names []string
	for i, c := range g.Cells {
		m := c.Metrics[key]
		v := known(m)
		if v == nil || len(names) > 0 && *v < *known(most) {
			continue
		}
		if len(names) == 0 || *v > *known(most) {
			most, names = m, nil
		}
		names = append(names, g.Names[i])
	}
	if len(names) == 0 {
		return "", ""
	}
	return value(most), few(names)
}

// finding says in words what happened to the cells together: in how many it did, and how bad it was at worst.
func (g cellGroup) finding(deadline time.Duration) string {
	faulty := g.faulty()
	measured := faulty.where(func(c results.Cell) bool { return c.Metrics["blast_radius"].Value != nil })
	n := len(measured.Cells)
	if n == 0 {
		return "no result."
	}
	cells := count(n, "cell")
	if len(faulty.Cells) < len(g.Cells) {
		cells += " with a faulty update"
	}
	var parts []string
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	hit := measured.over("blast_radius", 0)
	if len(hit.Cells) == 0 {
		say("no host became unavailable in any of %s", cells)
	} else {
		figure, where := hit.worst("blast_radius")
		say("hosts became unavailable in %d of %s, at worst %s of them (%s)", len(hit.Cells), cells, figure, where)
	}
	median := func(c results.Cell) results.Metric { return c.Metrics["time_to_recover_median"] }
	back := hit.where(func(c results.Cell) bool { return median(c).Value != nil })
	if figure, where := back.worst("time_to_recover_median"); figure != "" {
		say("half of those were back within %s at worst (%s)", figure, where)
	}
	if out := hit.where(func(c results.Cell) bool { return median(c).Value == nil && median(c).N > 0 }); len(out.Cells) > 0 {
		say("in %d fewer than half of them came back while they were observed (%s)", len(out.Cells), few(out.Names))
	}
	if out := notBack(measured.Cells); out > 0 {
		say("%s not back by the deadline of %s", was(out), seconds(deadline.Seconds()))
	}
	if bare := measured.over("protection_radius", 0); len(bare.Cells) > 0 {
		text := ""
		if figure, where := bare.worst("protection_gap"); figure != "" {
			text = fmt.Sprintf(", at worst for %s each (%s)", figure, where)
		}
		say("in %d hosts lost protection%s", len(bare.Cells), text)
	}
	if stranded := measured.over("stranded", 0); len(stranded.Cells) > 0 {
		say("in %d hosts were stranded (%s)", len(stranded.Cells), few(stranded.Names))
	}
	harmless := g.where(func(c results.Cell) bool { return c.Fault == "none" }).over("blast_radius", 0)
	if k := len(harmless.Cells); k > 0 && len(faulty.Cells) < len(g.Cells) {
		say("a harmless update made hosts unavailable in %d", k)
	}
	if k := len(faulty.Cells) - n; k > 0 {
		say("%s without a result", count(k, "cell"))
	}
	return strings.Join(parts, "; ") + "."
}

// notBack counts the hosts that were hit and not back when observation ended.
func notBack(cells []results.Cell) int {
	n := 0
	for _, c := range cells {
		for _, h := range c.HostsDetail {
			if h.Censored && h.Invalid == "" {
				n++
			}
		}
	}
	return n
}

// few names two, or says how many more there are.
func few(names []string) string {
	const enough = 2
	if len(names) <= enough+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:enough], ", "), len(names)-enough)
}
