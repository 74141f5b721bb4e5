package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fleetfall/fleetfall/results"
)

// Markdown writes r as summary.md, in GitHub's flavour: the verdict, the expectations, tables of fleets and updates, and
// unless the cells are many the main figures with a column for each cell.
func Markdown(w io.Writer, r *results.Results) error {
	r = cleaned(r)
	var b strings.Builder
	fmt.Fprintf(&b, "## %s: %s\n\n**%s**", md(r.Scenario.Name), md(outcomeOf(r)), md(verdict(r)))
	if s := metMeans(r); s != "" {
		fmt.Fprintf(&b, " %s", md(s))
	}
	b.WriteString("\n")
	if s := runState(r); s != "" {
		fmt.Fprintf(&b, "\n> %s\n", md(s))
	}
	if s := unreliable(r); s != "" {
		fmt.Fprintf(&b, "\n> %s\n", md(s))
	}
	for _, s := range notes(r) {
		fmt.Fprintf(&b, "\n> %s\n", md(s))
	}
	names := labels(r.Cells)
	many := len(r.Cells) > fewCells
	for i, f := range findings(r) {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "- **%s**: %s\n", md(f.Label), md(f.Text))
	}
	shown, met := expectationRows(r)
	if len(shown) > 0 {
		b.WriteString("\n|  | expectation | cell | metric | bound | measured |\n| :-: | --- | --- | --- | --: | --: |\n")
		for _, e := range shown {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", statusSign(e.Status), md(e.Name), md(e.Label), md(e.MetricLabel), md(e.Bound), md(e.Outcome))
		}
	}
	if len(met) > 0 {
		fmt.Fprintf(&b, "\n%s met.\n", count(len(met), "expectation"))
	}
	matricesInMarkdown(&b, r)
	fleetsInMarkdown(&b, fleetSummaries(r.Cells), r.Provenance.Clock)
	if !many {
		metricsInMarkdown(&b, r.Cells, names, r.Provenance.Clock)
	}
	for _, s := range wavesOf(r) {
		fmt.Fprintf(&b, "\n%s\n", md(s))
	}
	if s := retried(r); s != "" {
		fmt.Fprintf(&b, "\n%s\n", md(s))
	}
	if s := leftOut(r); s != "" {
		fmt.Fprintf(&b, "\n%s\n", md(s))
	}
	if how := verifiedHow(r); how != "" {
		fmt.Fprintf(&b, "\n%s\n\n", md(how))
	}
	for _, v := range verification(r) {
		fmt.Fprintf(&b, "- %s **%s**: %s\n", statusSign(v.Status), md(v.Label), md(v.Text))
	}
	for _, s := range asides(r) {
		fmt.Fprintf(&b, "\n%s\n", md(s))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("report: write the summary: %w", err)
	}
	return nil
}

// metricsInMarkdown writes the main figures with a column for each cell.
func metricsInMarkdown(b *strings.Builder, cells []results.Cell, names []string, clock string) {
	metrics := summaryMetrics(cells, clock)
	if len(metrics) == 0 {
		return
	}
	b.WriteString("\n| intervals in brackets |")
	for _, name := range names {
		fmt.Fprintf(b, " %s |", md(name))
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --: |", len(names)) + "\n")
	for _, m := range metrics {
		fmt.Fprintf(b, "| %s |", md(m.Label))
		for _, c := range cells {
			v := c.Metrics[m.Key]
			fmt.Fprintf(b, " %s", md(value(v)))
			if iv := interval(v); iv != "" && v.Value != nil {
				fmt.Fprintf(b, " (%s)", md(iv))
			}
			b.WriteString(" |")
		}
		b.WriteString("\n")
	}
}

// matricesInMarkdown writes the tables of fleets and updates.
func matricesInMarkdown(b *strings.Builder, r *results.Results) {
	for _, m := range matrices(r) {
		title := m.Label
		if m.Among != "" {
			title += ", " + m.Among
		}
		fmt.Fprintf(b, "\n| %s |", md(title))
		for _, u := range m.Updates {
			fmt.Fprintf(b, " %s |", md(u.Name))
		}
		b.WriteString("\n| --- |" + strings.Repeat(" --: |", len(m.Updates)) + "\n")
		for _, row := range m.Rows {
			fmt.Fprintf(b, "| %s |", md(row.Name()))
			for _, c := range row.Cells {
				fmt.Fprintf(b, " %s |", md(c.Text))
			}
			b.WriteString("\n")
		}
		if m.Samples != "" {
			fmt.Fprintf(b, "\n%s; the report has their intervals.\n", upperFirst(m.Samples))
		}
	}
}

// fleetsInMarkdown writes what each fleet's agent sees, and what that costs, where that was measured.
func fleetsInMarkdown(b *strings.Builder, fleets []fleetSummary, clock string) {
	if !slices.ContainsFunc(fleets, func(f fleetSummary) bool { return f.Visibility != nil }) {
		return
	}
	fmt.Fprintf(b, "\n| fleet | blast radius, mean | visibility | %s | sees all of | sees some of | sees none of |\n", lowerFirst(overheadName(clock)))
	b.WriteString("| --- | --: | --: | --: | --- | --- | --- |\n")
	for _, f := range fleets {
		kinds := map[string][]string{}
		for _, k := range f.Kinds {
			kinds[k.Sign()] = append(kinds[k.Sign()], oneLine(k.What))
		}
		list := func(sign string) string { return strings.Join(kinds[sign], ", ") }
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", md(f.Fleet), md(optional(f.Blast, "share")), md(optional(f.Visibility, "share")),
			md(optional(f.Overhead, "ratio")), md(list("✓")), md(list("◐")), md(list("✗")))
	}
}

// md escapes a text for a line or a table's cell of Markdown.
func md(s string) string {
	s = oneLine(s)
	var b strings.Builder
	for i, c := range s {
		switch c {
		case '&':
			b.WriteString("&amp;")
		case '<':
			b.WriteString("&lt;")
		case '@', ':': // no mention of a person, no link by itself
			if c == '@' || strings.HasPrefix(s[i:], "://") {
				fmt.Fprintf(&b, "&#%d;", c)
				continue
			}
			b.WriteRune(c)
		case '\\', '`', '*', '_', '[', ']', '|', '#', '~', '>', '!':
			b.WriteByte('\\')
			b.WriteRune(c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// statusSign is a sign with a meaning of its own without colour.
func statusSign(s results.Status) string {
	switch s {
	case results.Met:
		return "✓"
	case results.Missed:
		return "✗"
	}
	return "?"
}
