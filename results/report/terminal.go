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
	if s := unchecked(r); s != "" {
		t.line("", faint, s)
	}
	if s := resumed(r); s != "" {
		t.line("", faint, s)
	}
	many := len(r.Cells) > fewCells
	t.matrices(r, many)
	if len(r.Cells) > 0 && !many {
		t.table(r)
	}
	for _, s := range wavesOf(r) {
		t.line("", faint, s)
	}
	if s := retried(r); s != "" {
		t.line("", faint, s)
	}
	if s := leftOut(r); s != "" {
		t.b.WriteString("\n")
		t.line("", statusColor(results.Inconclusive), s)
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
	shown, met := expectationRows(r)
	for _, e := range shown {
		text := fmt.Sprintf("%s %s (%s: %s %s, expected %s)", statusSign(e.Status), oneLine(e.Name), e.Label,
			lowerFirst(e.MetricLabel), e.Outcome, oneLine(e.Bound))
		if e.Note != "" {
			text += ": " + oneLine(e.Note)
		}
		t.line("  ", statusColor(e.Status), text)
	}
	if len(met) > 0 {
		t.line("  ", statusColor(results.Met), fmt.Sprintf("%s %s met", statusSign(results.Met), count(len(met), "expectation")))
	}
	t.b.WriteString("\n")
	t.line("", bold+";"+statusColor(r.Verdict), statusSign(r.Verdict)+" "+verdict(r))
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

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
