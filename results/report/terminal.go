package report

import (
	"fmt"
	"io"
	"slices"
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
	for _, s := range notes(r) {
		t.line("", faint, s)
	}
	many := len(r.Cells) > fewCells
	if many { // of a few the table says as much
		t.b.WriteString("\n")
		for _, f := range findings(r) {
			t.line("", "", f.Label+": "+f.Text)
		}
	}
	t.matrices(r, many)
	if len(r.Cells) > 0 && !many {
		t.table(r)
	}
	for _, s := range asides(r) {
		t.line("", faint, s)
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
	t.line("", strings.Trim(bold+";"+statusColor(r.Verdict), ";"), upperFirst(outcomeOf(r))+": "+lowerFirst(verdict(r)))
	if s := metMeans(r); s != "" {
		t.line("", faint, s)
	}
}

// line writes text, wrapped at the width with its further lines indented.
func (t *terminal) line(indent, style, text string) {
	const further = "  "
	room := t.width - len(indent)
	for i, line := range wrap(text, room, room-len(further)) {
		if i > 0 {
			line = further + line
		}
		t.styled(style, indent+line)
		t.b.WriteString("\n")
	}
}

// wrap breaks a text between its words into lines of at most so many columns, the first and each further one. Spaces
// that are not ASCII's hold a figure's digits together. Only a word that is wider than a line is broken, at its own
// signs where it has some.
func wrap(text string, first, further int) []string {
	var lines []string
	line, room := "", first
	end := func() { lines, line, room = append(lines, line), "", further }
	for _, word := range unbroken(text) {
		if line != "" && textWidth(line)+1+textWidth(word) > room {
			end()
		}
		for line == "" && textWidth(word) > room {
			line = runewidthOf().Truncate(word, room, "")
			if i := strings.LastIndexAny(line, "-/_,;"); i > 0 {
				line = line[:i+1]
			}
			word = word[len(line):]
			end()
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		end()
	}
	return lines
}

// unbroken are the words of a text. A figure is one word with its unit, and with what bounds it.
func unbroken(text string) []string {
	units := []string{"%", "µs", "ms", "s", "min", "h", "d", "B", "KiB", "MiB", "GiB", "TiB"}
	var words []string
	for _, word := range strings.FieldsFunc(text, func(c rune) bool { return c == ' ' || c == '\n' || c == '\t' }) {
		if n := len(words); n > 0 {
			before := words[n-1]
			isFigure := strings.ContainsAny(before[len(before)-1:], "0123456789")
			if isFigure && slices.Contains(units, strings.TrimRight(word, ".,;:)")) || slices.Contains([]string{"≤", "≥", "="}, before) {
				words[n-1] += " " + word
				continue
			}
		}
		words = append(words, word)
	}
	return words
}

func (t *terminal) styled(style, s string) {
	if t.color && style != "" {
		s = "\x1b[" + style + "m" + s + "\x1b[0m"
	}
	t.b.WriteString(s)
}

// statusColor is the ECMA-48 colour for a status: none, red, yellow. What was foreseen gets none, for it need not be
// good.
func statusColor(s results.Status) string {
	switch s {
	case results.Met:
		return ""
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
