package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/fleetfall/fleetfall/results"
)

// minWidth is the narrowest terminal that Terminal lays out for.
const minWidth = 40

// Terminal writes the compact table printed at the end of a run: a row for each cell, metrics as columns, broken into
// blocks that fit width (in columns, 40 at least), the expectations and the verdict. Intervals are shown where the
// blocks stay few with them. color turns terminal colours on.
func Terminal(w io.Writer, r *results.Results, width int, color bool) error {
	t := terminal{width: max(width, minWidth), color: color}
	t.draw(cleaned(r))
	if _, err := io.WriteString(w, t.b.String()); err != nil {
		return fmt.Errorf("report: write the table: %w", err)
	}
	return nil
}

type terminal struct {
	b     strings.Builder
	width int
	color bool
}

const (
	bold  = "1"
	faint = "2"
)

func (t *terminal) draw(r *results.Results) {
	name := oneLine(r.Scenario.Name)
	if name == "" {
		name = "unnamed scenario"
	}
	t.line("", bold, name)
	if s := runState(r); s != "" {
		t.line("", statusColor(results.Inconclusive), s)
	}
	if s := unreliable(r); s != "" {
		t.line("", statusColor(results.Missed), s)
	}
	if s := replayed(r); s != "" {
		t.line("", faint, s)
	}
	if s := resumed(r); s != "" {
		t.line("", faint, s)
	}
	if len(r.Cells) > 0 {
		t.table(r)
	}
	for _, s := range wavesOf(r) {
		t.line("", faint, s)
	}
	if s := retried(r); s != "" {
		t.line("", faint, s)
	}
	if n := invalidCount(r); n > 0 {
		t.b.WriteString("\n")
		t.line("", statusColor(results.Inconclusive),
			fmt.Sprintf("%s failed for reasons of the testbed, and %s left out", count(n, "host sample"), isAre(n)))
	}
	if how := verifiedHow(r); how != "" {
		t.b.WriteString("\n")
		t.line("", faint, how)
	}
	for _, v := range verification(r) {
		t.line("  ", statusColor(v.Status), statusSign(v.Status)+" "+v.Label+": "+v.Text)
	}
	if len(r.Expectations) > 0 {
		t.b.WriteString("\n")
	}
	for _, e := range r.Expectations {
		unit := unitOf(r, e.Cell, e.Metric)
		text := fmt.Sprintf("%s %s (%s: %s %s, expected %s)", statusSign(e.Status), oneLine(e.Name), labelOf(r, e.Cell),
			lowerFirst(metricLabel(e.Metric)), outcome(r, e), oneLine(bound(e.Bound, unit)))
		if e.Note != "" {
			text += ": " + oneLine(e.Note)
		}
		t.line("  ", statusColor(e.Status), text)
	}
	t.b.WriteString("\n")
	t.line("", bold+";"+statusColor(r.Verdict), statusSign(r.Verdict)+" "+verdict(r))
}

// table writes the cells' figures in as many blocks of columns as the width asks for.
func (t *terminal) table(r *results.Results) {
	names := labels(r.Cells)
	metrics := summaryMetrics(r.Cells)
	with, without := t.blocks(r.Cells, names, metrics, true), t.blocks(r.Cells, names, metrics, false)
	blocks, caption := without, ""
	if len(with) <= max(3, len(without)) {
		blocks, caption = with, "95 % intervals in brackets"
	}
	for _, columns := range blocks {
		t.b.WriteString("\n")
		t.block(columns)
	}
	var notes []string
	for _, m := range metrics {
		for i, c := range r.Cells {
			if v := c.Metrics[m.Key]; v.Value == nil && v.Note != "" {
				notes = append(notes, fmt.Sprintf("%s %s, %s: %s", missing, names[i], m.Short, oneLine(v.Note)))
			}
		}
	}
	if caption != "" {
		t.line("", faint, caption)
	}
	for _, n := range notes {
		t.line("", faint, n)
	}
}

// A column of a block: its head in one or two lines, then a text for each cell.
type column struct {
	head  [2]string
	rows  []string
	width int
}

func newColumn(head string, rows []string) column {
	c := column{rows: rows}
	words := strings.Fields(head)
	c.head[1] = words[len(words)-1]
	if len(words) > 1 {
		c.head[0] = strings.Join(words[:len(words)-1], " ")
	}
	for _, s := range append(rows, c.head[0], c.head[1]) {
		c.width = max(c.width, textWidth(s))
	}
	return c
}

// blocks distributes the columns over blocks, each with the cells' names as its first column.
func (t *terminal) blocks(cells []results.Cell, names []string, metrics []metric, intervals bool) [][]column {
	short := make([]string, len(names))
	for i, n := range names {
		short[i] = runewidthOf().Truncate(n, min(32, t.width/2), "…")
	}
	first := newColumn("cell", short)
	block := []column{first}
	blocks := [][]column{}
	used := first.width
	for _, m := range metrics {
		rows := make([]string, len(cells))
		for i, c := range cells {
			v := c.Metrics[m.Key]
			rows[i] = value(v)
			if iv := interval(v); intervals && iv != "" && v.Value != nil {
				rows[i] += " (" + iv + ")"
			}
		}
		c := newColumn(m.Short, rows)
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
	row := func(style string, text func(column) string) {
		var line strings.Builder
		for i, c := range columns {
			s := text(c)
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
	row(faint, func(c column) string { return c.head[0] })
	row(faint, func(c column) string { return c.head[1] })
	for i := range columns[0].rows {
		row("", func(c column) string { return c.rows[i] })
	}
}

// line writes text, wrapped at the width with its further lines indented.
func (t *terminal) line(indent, style, text string) {
	rest := strings.Fields(text)
	for first := true; len(rest) > 0; first = false {
		line := indent
		if !first {
			line += "  "
		}
		start := len(line)
		for len(rest) > 0 {
			word := runewidthOf().Truncate(rest[0], t.width-len(indent)-2, "…")
			if len(line) > start && textWidth(line)+1+textWidth(word) > t.width {
				break
			}
			if len(line) > start {
				line += " "
			}
			line += word
			rest = rest[1:]
		}
		t.styled(style, line)
		t.b.WriteString("\n")
	}
}

func (t *terminal) styled(style, s string) {
	if t.color && style != "" {
		s = "\x1b[" + style + "m" + s + "\x1b[0m"
	}
	t.b.WriteString(s)
}

// statusColor is the ECMA-48 colour for a status: green, red, yellow.
func statusColor(s results.Status) string {
	switch s {
	case results.Met:
		return "32"
	case results.Missed:
		return "31"
	}
	return "33"
}

// runewidthOf is the width of characters in terminals, whatever the environment's language.
func runewidthOf() *runewidth.Condition { return &runewidth.Condition{StrictEmojiNeutral: true} }

func textWidth(s string) int { return runewidthOf().StringWidth(s) }

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
