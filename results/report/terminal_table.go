package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fleetfall/fleetfall/results"
)

// table writes the cells' figures in as many blocks of columns as the width asks for.
func (t *terminal) table(r *results.Results) {
	names := labels(r.Cells)
	metrics := summaryMetrics(r.Cells, r.Provenance.Clock)
	with, without := t.blocks("cell", names, columns(r.Cells, metrics, true)), t.blocks("cell", names, columns(r.Cells, metrics, false))
	blocks, caption := without, ""
	if len(with) <= max(3, len(without)) {
		blocks, caption = with, "intervals in brackets"
	}
	for _, columns := range blocks {
		t.b.WriteString("\n")
		t.block(columns)
	}
	if caption != "" {
		t.line("", faint, caption)
	}
	for i, c := range r.Cells {
		for _, n := range whyMissing(c, names[i], metrics) {
			t.line("", faint, n)
		}
	}
}

// whyMissing says why a cell has no value of some of the metrics, a line for each reason.
func whyMissing(c results.Cell, name string, metrics []metric) []string {
	var notes []string
	of := map[string][]string{}
	for _, m := range metrics {
		if v := c.Metrics[m.Key]; v.Value == nil && v.Note != "" {
			note := oneLine(v.Note)
			if of[note] == nil {
				notes = append(notes, note)
			}
			of[note] = append(of[note], m.Short)
		}
	}
	for i, note := range notes {
		what := name
		if len(of[note]) < len(metrics) {
			what += ", " + strings.Join(of[note], ", ")
		}
		notes[i] = fmt.Sprintf("%s %s: %s", missing, what, note)
	}
	return notes
}

// maxHead bounds a line of a column's head, and maxName one of a row's name, which has at most maxNameLines.
const (
	maxHead      = 24
	maxName      = 32
	maxNameLines = 6
)

// A column of a block: the lines of its head, then a text for each cell, which only in the first column has several
// lines.
type column struct {
	head  []string
	rows  []string
	width int
}

func newColumn(head string, rows []string) column {
	c := column{rows: rows}
	words := strings.Fields(cmp.Or(oneLine(head), missing))
	last := len(words) - 1
	for _, part := range []string{strings.Join(words[:last], " "), words[last]} {
		c.head = append(c.head, wrap(part, maxHead, maxHead)...)
	}
	for _, s := range slices.Concat(rows, c.head) {
		for line := range strings.SplitSeq(s, "\n") {
			c.width = max(c.width, textWidth(line))
		}
	}
	return c
}

// columns are the metrics' columns.
func columns(cells []results.Cell, metrics []metric, intervals bool) []column {
	var out []column
	for _, m := range metrics {
		rows := make([]string, len(cells))
		for i, c := range cells {
			v := c.Metrics[m.Key]
			rows[i] = value(v)
			if iv := interval(v); intervals && iv != "" && v.Value != nil {
				rows[i] += " (" + iv + ")"
			}
		}
		out = append(out, newColumn(m.Short, rows))
	}
	return out
}

// blocks distributes columns over blocks that fit, each with the rows' names as its first column.
func (t *terminal) blocks(head string, names []string, columns []column) [][]column {
	const further = "  "
	wrapped := make([]string, len(names))
	for i, n := range names {
		room := min(maxName, t.width/2)
		lines := wrap(n, room, room-len(further))
		if len(lines) > maxNameLines {
			lines = append(lines[:maxNameLines-1], "…")
		}
		wrapped[i] = strings.Join(lines, "\n"+further)
	}
	first := newColumn(head, wrapped)
	block := []column{first}
	blocks := [][]column{}
	used := first.width
	for _, c := range columns {
		if len(block) > 1 && used+2+c.width > t.width {
			blocks = append(blocks, block)
			block, used = []column{first}, first.width
		}
		block = append(block, c)
		used += 2 + c.width
	}
	return append(blocks, block)
}

func (t *terminal) block(columns []column) {
	row := func(style string, text func(i int, c column) string) {
		var line strings.Builder
		for i, c := range columns {
			s := text(i, c)
			pad := strings.Repeat(" ", max(0, c.width-textWidth(s)))
			if i == 0 {
				line.WriteString(s + pad)
			} else {
				line.WriteString("  " + pad + s)
			}
		}
		s := strings.TrimRight(line.String(), " ")
		t.styled(style, runewidthOf().Truncate(s, t.width, "…"))
		t.b.WriteString("\n")
	}
	deepest := 0
	for _, c := range columns {
		deepest = max(deepest, len(c.head))
	}
	for i := range deepest { // heads stand on the same line
		row(faint, func(_ int, c column) string {
			if j := i - deepest + len(c.head); j >= 0 {
				return c.head[j]
			}
			return ""
		})
	}
	for i, names := range columns[0].rows {
		for j, name := range strings.Split(names, "\n") {
			row("", func(n int, c column) string {
				switch {
				case n == 0:
					return name
				case j > 0:
					return ""
				}
				return c.rows[i]
			})
		}
	}
}

// matrices writes the tables of fleets and updates. Of a few cells, whose figures follow, only those that fit in one block.
func (t *terminal) matrices(r *results.Results, many bool) {
	for _, m := range matrices(r) {
		var names []string
		for _, row := range m.Rows {
			names = append(names, row.Name())
		}
		var columns []column
		for i, u := range m.Updates {
			cells := make([]string, len(m.Rows))
			for j, row := range m.Rows {
				cells[j] = row.Cells[i].Text
			}
			columns = append(columns, newColumn(u.Name, cells))
		}
		blocks := t.blocks("fleet", names, columns)
		if len(blocks) > 1 && !many {
			continue
		}
		title := m.Label
		if m.Among != "" {
			title += ", " + m.Among
		}
		if m.Samples != "" {
			title += " (" + m.Samples + ")"
		}
		t.b.WriteString("\n")
		t.line("", bold, title)
		for i, block := range blocks {
			if i > 0 {
				t.b.WriteString("\n")
			}
			t.block(block)
		}
	}
}
