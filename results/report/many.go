package report

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/fleetfall/fleetfall/results"
)

// With more cells than fewCells what has a place for each cell is folded into the cells' own sections; of more expectations
// than fewExpectations those that were met are folded.
const (
	fewCells        = 12
	fewExpectations = 24
)

// A recoveryFigure is the recovery curves of some cells.
type recoveryFigure struct {
	Name   string // empty for all cells
	Folded bool
	Chart  template.HTML
}

// recoveryFigures are one chart of all cells or, of many, one for each update, with what is said of the cells without a curve.
func recoveryFigures(cells []results.Cell, labels []string, many bool) (figures []recoveryFigure, spared string) {
	if !many {
		if chart := recoveryChart("recovery", cells, labels); chart != "" {
			figures = []recoveryFigure{{Chart: chart}}
		}
		return figures, ""
	}
	n := 0
	for i, name := range distinct(cells, func(c results.Cell) string { return c.Update }) {
		var own []results.Cell
		var names []string
		for j, c := range cells {
			if c.Update == name {
				own, names = append(own, c), append(names, labels[j])
				if len(c.Curve) == 0 {
					n++
				}
			}
		}
		if chart := recoveryChart(fmt.Sprintf("recovery%d", i), own, names); chart != "" {
			figures = append(figures, recoveryFigure{oneLine(name), true, chart})
		}
	}
	if n > 0 {
		spared = fmt.Sprintf("No recovery to measure in %d of %s: no host that counts became unavailable there.", n, count(len(cells), "cell"))
	}
	return figures, spared
}

// A runCause is a cause over all cells, with links to them.
type runCause struct {
	results.RunCause
	Where  string // function+offset [module]
	Anchor string
	Struck []struckCell
}

type struckCell struct {
	Label, Anchor string
	Count, Hosts  int
}

func runCauses(r *results.Results) []runCause {
	var out []runCause
	names := labels(r.Cells)
	for i, c := range r.Causes {
		x := runCause{RunCause: c, Where: where(c.Cause), Anchor: fmt.Sprintf("cause%d", i)}
		for _, s := range c.Cells {
			if j := slices.IndexFunc(r.Cells, func(c results.Cell) bool { return c.ID == s.Cell }); j >= 0 {
				x.Struck = append(x.Struck, struckCell{names[j], anchor(j), s.Count, s.Hosts})
			}
		}
		out = append(out, x)
	}
	return out
}

// causeAnchor finds the section of a cell's cause; it is empty when there is none.
func causeAnchor(causes []runCause, c results.Cause) string {
	for _, x := range causes {
		if x.Title == c.Title && x.Type == c.Type && x.Module == c.Module && x.Function == c.Function && x.Offset == c.Offset && x.Caller == c.Caller {
			return x.Anchor
		}
	}
	return ""
}

type comparisonRow struct {
	A, B, MetricLabel string
	Difference        string // of A less B, with its interval
	P                 string // corrected within the metric's family
	Pairs             int
	Note              string // why there is no test, or what would decide
}

// A comparisonGroup is a table of comparisons.
type comparisonGroup struct {
	Name   string // empty for all of them
	Folded bool
	Rows   []comparisonRow
}

// comparisonGroups are one table or, of many cells, one for each update, rollout and recovery: what compared cells share.
func comparisonGroups(r *results.Results, many bool) []comparisonGroup {
	names, shared := map[string]string{}, map[string]string{}
	for i, name := range labels(r.Cells) {
		c := r.Cells[i]
		names[c.ID] = name
		shared[c.ID] = strings.TrimPrefix(name, oneLine(c.Fleet)+" / ")
	}
	label := func(id string) string {
		if name, ok := names[id]; ok {
			return name
		}
		return oneLine(id)
	}
	var groups []comparisonGroup
	for _, c := range r.Comparisons {
		key := ""
		if many {
			key = shared[c.A]
		}
		i := slices.IndexFunc(groups, func(g comparisonGroup) bool { return g.Name == key })
		if i < 0 {
			i = len(groups)
			groups = append(groups, comparisonGroup{Name: key, Folded: many})
		}
		row := comparisonRow{A: label(c.A), B: label(c.B), MetricLabel: metricLabel(c.Metric), P: pValue(c.Adjusted), Pairs: c.Pairs,
			Difference: value(c.Difference), Note: oneLine(cmp.Or(c.Note, c.Wants, c.Difference.Note))}
		if iv := interval(c.Difference); iv != "" {
			row.Difference += " (" + iv + ")"
		}
		if c.Undecided > 0 {
			row.Note = strings.TrimPrefix(fmt.Sprintf("%s; of %s censoring hides which is larger", row.Note, count(c.Undecided, "pair")), "; ")
		}
		groups[i].Rows = append(groups[i].Rows, row)
	}
	for i := range groups {
		if groups[i].Folded {
			groups[i].Name += ": " + count(len(groups[i].Rows), "comparison")
		}
	}
	return groups
}
