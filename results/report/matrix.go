package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/results"
)

// A matrix is one metric of all cells that share rollout and recovery: a row for each fleet, a column for each update.
type matrix struct {
	metric
	Among   string // rollout and recovery, where the plan has more than one; else empty
	Samples string // that each figure rests on, e.g. "3 host samples in each cell"; empty when there are none
	Updates []matrixUpdate
	Rows    []matrixRow
}

type matrixUpdate struct {
	Name  string
	Fault string // empty when the name says it
}

type matrixRow struct {
	Fleet, Architecture string
	Control             bool
	Cells               []matrixCell // one for each update
}

// A matrixCell is one cell's figure.
type matrixCell struct {
	Text     string
	Interval string // empty when there is none, and when it is the figure itself
	Note     string // what the text leaves out
	Anchor   string // of the cell's timeline; empty when the plan has no such cell
	Level    int    // of shade, 0 to 5: for a share up to 0, 20, 40, 60, 80 and 100 %; for a time see levelOf
	Censored bool   // fewer than half of the hosts that were hit came back
}

// What says what the fleet is, as far as its name does not.
func (r matrixRow) What() string {
	var what []string
	if r.Architecture != r.Fleet {
		what = append(what, r.Architecture)
	}
	if r.Control && r.Fleet != "control" {
		what = append(what, "control")
	}
	return strings.Join(what, ", ")
}

// Name is the row's head on one line.
func (r matrixRow) Name() string {
	if r.What() == "" {
		return r.Fleet
	}
	return r.Fleet + " (" + r.What() + ")"
}

// matrixKeys are the metrics that are drawn as a matrix; those after the third only if some cell has more than nothing of them.
func matrixKeys() []string {
	return []string{"blast_radius", "protection_gap", "time_to_recover_median", "stranded"}
}

// matrices are empty unless the plan tries at least two architectures with at least two updates.
func matrices(r *results.Results) []matrix {
	tried := slices.DeleteFunc(slices.Clone(r.Cells), func(c results.Cell) bool { return c.Control })
	architectures := distinct(tried, func(c results.Cell) string { return c.Architecture })
	updates := distinct(tried, func(c results.Cell) matrixUpdate { return matrixUpdate{c.Update, c.Fault} })
	if len(architectures) < 2 || len(updates) < 2 {
		return nil
	}
	type way struct{ rollout, recovery string }
	ways := distinct(r.Cells, func(c results.Cell) way { return way{c.Rollout, c.Recovery} })
	shown := shownMetrics(r.Cells, r.Provenance.Clock)
	var out []matrix
	for n, key := range matrixKeys() {
		if n >= 3 && !slices.ContainsFunc(tried, func(c results.Cell) bool { v := c.Metrics[key].Value; return v != nil && *v > 0 }) {
			continue
		}
		i := slices.IndexFunc(shown, func(m metric) bool { return m.Key == key })
		if i < 0 {
			continue
		}
		for _, w := range ways {
			m := matrix{metric: shown[i]}
			if len(ways) > 1 {
				m.Among = oneLine(w.rollout) + ", " + oneLine(w.recovery)
			}
			for _, u := range updates {
				m.Updates = append(m.Updates, u.shown())
			}
			m.fill(r, updates, func(c results.Cell) bool { return way{c.Rollout, c.Recovery} == w })
			m.Samples = samplesOf(r.Cells, func(c results.Cell) bool { return way{c.Rollout, c.Recovery} == w })
			out = append(out, m)
		}
	}
	return out
}

// samplesOf says how many host samples count in each of the cells that belong.
func samplesOf(cells []results.Cell, belongs func(results.Cell) bool) string {
	least, most := 0, 0
	for _, c := range cells {
		if !belongs(c) {
			continue
		}
		n := len(c.HostsDetail) - c.Invalid - c.Unfinished
		if most == 0 {
			least = n
		}
		least, most = min(least, n), max(most, n)
	}
	switch {
	case most == 0:
		return ""
	case least == most:
		return count(most, "host sample") + " in each cell"
	}
	return fmt.Sprintf("%d to %s in a cell", least, count(most, "host sample"))
}

// fill sets the rows from the cells that belong to the matrix.
func (m *matrix) fill(r *results.Results, updates []matrixUpdate, belongs func(results.Cell) bool) {
	for i, c := range r.Cells {
		column := slices.IndexFunc(updates, func(u matrixUpdate) bool { return u.Name == c.Update })
		if !belongs(c) || column < 0 {
			continue
		}
		row := slices.IndexFunc(m.Rows, func(x matrixRow) bool { return x.Fleet == oneLine(c.Fleet) })
		if row < 0 {
			row = len(m.Rows)
			m.Rows = append(m.Rows, matrixRow{oneLine(c.Fleet), oneLine(c.Architecture), c.Control, slices.Repeat([]matrixCell{{Text: ""}}, len(updates))})
		}
		to := anchor(i)
		if len(c.HostsDetail) > 0 {
			to = partAnchor(lanesPart, i)
		}
		m.Rows[row].Cells[column] = m.cell(c, to, time.Duration(r.Scenario.Deadline))
	}
}

func (m *matrix) cell(c results.Cell, anchor string, deadline time.Duration) matrixCell {
	v := c.Metrics[m.Key]
	out := matrixCell{Text: value(v), Note: oneLine(v.Note), Anchor: anchor}
	switch {
	case v.Value != nil:
		out.Level = levelOf(*v.Value, m.Unit, deadline)
		out.Interval = interval(v)
	case m.Key == "time_to_recover_median" && v.N > 0:
		out.Text, out.Level, out.Censored = "censored", 5, true
	}
	return out
}

// levelOf is the shade of a figure: shares go up by fifths, times by 1, 5, 20 and 50 % of the deadline.
func levelOf(v float64, unit string, deadline time.Duration) int {
	bounds := []float64{0, 0.2, 0.4, 0.6, 0.8}
	if unit == "s" {
		bounds = []float64{0, 0.01, 0.05, 0.2, 0.5}
		v /= max(deadline.Seconds(), 1e-9)
	}
	level := 0
	for level < len(bounds) && v > bounds[level] {
		level++
	}
	return level
}

// shown is the update as a column's head: the fault is left out where the name says it.
func (u matrixUpdate) shown() matrixUpdate {
	name, fault := oneLine(u.Name), oneLine(u.Fault)
	if strings.ReplaceAll(name, "-", "_") == strings.ReplaceAll(fault, "-", "_") {
		fault = ""
	}
	return matrixUpdate{name, fault}
}

// columnWidth is what a column needs, in rem, so that no word of a head is broken; hyphens and spaces part words.
func columnWidth(updates []matrixUpdate) int {
	const least, most, padding, character = 6, 20, 1.2, 0.56
	longest := 0
	for _, u := range updates {
		for _, word := range strings.FieldsFunc(u.Name+" "+u.Fault, func(c rune) bool { return c == '-' || c == ' ' }) {
			longest = max(longest, textWidth(word))
		}
	}
	return min(most, max(least, int(math.Ceil(padding+character*float64(longest)))))
}

// anchor is the ID of a cell's own section on the page.
func anchor(cell int) string { return fmt.Sprintf("cell%d", cell) }

// distinct lists what the cells have of something, each once, in the order of cells.
func distinct[T comparable](cells []results.Cell, of func(results.Cell) T) []T {
	var out []T
	for _, c := range cells {
		if v := of(c); !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}
