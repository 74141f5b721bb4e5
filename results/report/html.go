package report

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/fleetfall/fleetfall/results"
)

//go:embed page.html page.css patterns.svg
var assets embed.FS

// HTML writes r as one page that needs no network and no script, reads on paper and on a phone, and follows the
// reader's choice of light or dark.
func HTML(w io.Writer, r *results.Results) error {
	tmpl, err := template.New("page.html").Funcs(template.FuncMap{
		"amount": amount, "count": count, "line": oneLine, "p": pValue, "seconds": seconds,
		"optional": func(v *float64) string {
			if v == nil {
				return missing
			}
			return seconds(*v)
		},
	}).ParseFS(assets, "page.html")
	if err != nil {
		return fmt.Errorf("report: parse the page's template: %w", err)
	}
	p, err := newPage(cleaned(r))
	if err != nil {
		return err
	}
	var b bytes.Buffer // so that an error leaves no half page
	if err := tmpl.Execute(&b, p); err != nil {
		return fmt.Errorf("report: fill the page: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("report: write the page: %w", err)
	}
	return nil
}

// A page is what page.html is filled with.
type page struct {
	*results.Results
	CSS          template.CSS
	Patterns     template.HTML
	Title        string
	Started      string
	Deadline     string
	StableFor    string
	Liveness     string
	ClockMeaning string
	RunState     string
	Replayed     string
	Resumed      string
	Waves        []string // sentences
	Retried      string
	Lost         int // host samples
	Unreliable   string
	VerifiedHow  string
	Verified     []verified
	Changed      []results.Fact
	VerdictText  string
	Findings     []cellFinding
	Expectations []expectationRow
	Groups       []metricGroup
	Labels       []string
	Columns      int          // of the metrics' table
	TableWidth   template.CSS // of the metrics' table at least
	States       []state
	Window       string
	StateCharts  []template.HTML
	Recovery     template.HTML
	NotHit       []string
	Details      []cellDetail
	Comparisons  []comparisonRow
	Invalid      []invalidSample
	Definitions  []metric
}

// A cellFinding is one cell's outcome in a sentence.
type cellFinding struct{ Label, Architecture, Text string }

type expectationRow struct {
	results.Expectation
	Label, MetricLabel, Outcome, Bound string
}

// A metricGroup is a block of the metrics' table, a row for each metric and a column for each cell.
type metricGroup struct {
	Name string
	Rows []metricRow
}

type metricRow struct {
	metric
	Figures []figure
}

type figure struct {
	Value, Interval, Note string
	N                     int
	Glyph                 template.HTML
}

// A cellDetail is a cell's own section.
type cellDetail struct {
	results.Cell
	Label    string
	Anchor   string
	Timeline template.HTML
	Dense    bool // the timeline's lanes are thin
	Hidden   int  // hosts that the timeline does not draw
	Causes   []cause
}

type cause struct {
	results.Cause
	Where string // function+offset [module]
}

type comparisonRow struct {
	A, B, MetricLabel, Test, P, Note string
	NA, NB                           int
}

// An invalidSample is a whole trial, or hosts with one reason, that the testbed failed.
type invalidSample struct{ Label, Sample, Reason string }

func newPage(r *results.Results) (*page, error) {
	css, err := assets.ReadFile("page.css")
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	patterns, err := assets.ReadFile("patterns.svg")
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	p := &page{
		Results: r, CSS: template.CSS(css), Patterns: template.HTML(patterns),
		Title: oneLine(r.Scenario.Name), Started: when(r.Run.Started), RunState: runState(r), Replayed: replayed(r), Resumed: resumed(r), Waves: wavesOf(r), VerdictText: verdict(r),
		Deadline:  seconds(time.Duration(r.Scenario.Deadline).Seconds()),
		StableFor: seconds(time.Duration(r.Scenario.StableFor).Seconds()),
		Liveness:  seconds(time.Duration(r.Scenario.Liveness).Seconds()),
		Labels:    labels(r.Cells), Columns: len(r.Cells) + 1,
		TableWidth: template.CSS(fmt.Sprintf("%drem", 9+14*len(r.Cells))), States: states(), Definitions: shownMetrics(r.Cells),
	}
	p.ClockMeaning = clockMeaning(r.Provenance.Clock)
	p.Retried, p.Lost, p.Changed = retried(r), invalidCount(r), changedFacts(r)
	p.Unreliable, p.VerifiedHow, p.Verified = unreliable(r), verifiedHow(r), verification(r)
	if p.Title == "" {
		p.Title = "unnamed scenario"
	}
	for _, e := range r.Expectations {
		p.Expectations = append(p.Expectations, expectationRow{e, labelOf(r, e.Cell), metricLabel(e.Metric),
			outcome(r, e), bound(e.Bound, unitOf(r, e.Cell, e.Metric))})
	}
	p.Groups = metricGroups(r.Cells)
	p.fillCharts(r)
	for _, c := range r.Comparisons {
		p.Comparisons = append(p.Comparisons, comparisonRow{labelOf(r, c.A), labelOf(r, c.B), metricLabel(c.Metric),
			oneLine(c.Test), pValue(c.PValue), oneLine(c.Note), c.NA, c.NB})
	}
	return p, nil
}

// fillCharts sets everything that is drawn, cell by cell, and the invalid samples with it.
func (p *page) fillCharts(r *results.Results) {
	w := windowOf(r.Cells)
	p.Window = "never reverted within the time observed"
	if w.revert {
		p.Window = "from its injection to " + seconds(w.reverted) + ", its latest revert"
	}
	for i, c := range r.Cells {
		label := p.Labels[i]
		p.Findings = append(p.Findings, cellFinding{label, oneLine(c.Architecture),
			finding(c, time.Duration(r.Scenario.Deadline))})
		p.StateCharts = append(p.StateCharts, statesChart(fmt.Sprintf("states%d", i), label, c, w))
		d := cellDetail{Cell: c, Label: label, Anchor: fmt.Sprintf("cell%d", i),
			Timeline: hostsChart(fmt.Sprintf("hosts%d", i), label, c, w),
			Dense:    len(c.HostsDetail) > roomyLanes, Hidden: len(c.HostsDetail) - len(lanes(c.HostsDetail))}
		for _, cc := range c.Causes {
			d.Causes = append(d.Causes, cause{cc, where(cc)})
		}
		p.Details = append(p.Details, d)
		if len(c.Curve) == 0 {
			p.NotHit = append(p.NotHit, label)
		}
		p.Invalid = append(p.Invalid, invalidSamples(label, c)...)
	}
	p.Recovery = recoveryChart("recovery", r.Cells, p.Labels)
}

// where is the faulting instruction as kernels print it, e.g. "ff_match+0x1b3/0x2a0 [fleetfall]".
func where(c results.Cause) string {
	s := oneLine(c.Function)
	if s != "" && c.Offset != "" {
		s += "+" + oneLine(c.Offset)
	}
	if c.Module != "" {
		s += " [" + oneLine(c.Module) + "]"
	}
	return s
}

// metricGroups is the metrics' table, without rows that no cell has a figure or a note for.
func metricGroups(cells []results.Cell) []metricGroup {
	var groups []metricGroup
	for _, m := range shownMetrics(cells) {
		if len(groups) == 0 || groups[len(groups)-1].Name != m.Group {
			groups = append(groups, metricGroup{Name: m.Group})
		}
		row := metricRow{metric: m}
		scale := scaleOf(cells, m.Key)
		for _, c := range cells {
			v := c.Metrics[m.Key]
			f := figure{Value: value(v), Interval: interval(v), Note: oneLine(v.Note), N: v.N}
			if v.Lo != nil || v.Hi != nil {
				f.Glyph = intervalGlyph(v, scale)
			}
			row.Figures = append(row.Figures, f)
		}
		g := &groups[len(groups)-1]
		g.Rows = append(g.Rows, row)
	}
	return groups
}
