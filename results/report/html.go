package report

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"path"
	"time"

	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/scenarios"
)

//go:embed page.html parts.html cell.html page.css patterns.svg
var assets embed.FS

// HTML writes r as one page that needs no network and no script, reads on paper and on a phone, and follows the
// reader's choice of light or dark.
func HTML(w io.Writer, r *results.Results) error {
	tmpl, err := template.New("page.html").Funcs(template.FuncMap{
		"amount": amount, "count": count, "line": oneLine, "p": pValue, "seconds": seconds,
		"optional": func(v *float64) string { return optional(v, "s") },
		"percent":  func(v *float64) string { return optional(v, "share") },
		"folder":   path.Dir,
		"counted":  scenarios.Count.Meaning,
		"capital":  upperFirst, "lower": lowerFirst, "detected": detectedText, "latency": latencyText, "missing": func() string { return missing },
	}).ParseFS(assets, "page.html", "parts.html", "cell.html")
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
	Notes        []string // sentences
	Waves        []string // sentences
	Retried      string
	LeftOut      string
	Unreliable   string
	VerifiedHow  string
	Verified     []verified
	Changed      []results.Fact
	Outcome      string
	VerdictText  string
	MetMeans     string
	Findings     []cellFinding
	Expectations []expectationRow
	Met          []expectationRow // folded, when they are many

	Many            bool // cells: more than fewCells
	Matrices        []matrix
	MatrixWidth     template.CSS
	Fleets          []fleetSummary
	Tradeoff        template.HTML
	NoTradeoff      string // why there is none to draw
	Visibility      []visibilityRow
	VisibilityWidth template.CSS

	Groups      []metricGroup // without many cells
	Labels      []string
	Columns     int          // of the metrics' table
	TableWidth  template.CSS // of the metrics' table at least
	States      []state
	Asides      []string // below tables of figures
	Overhead    string   // what it is called
	Window      string
	StateCharts []labelledChart // of each cell or, of many, of each group of them
	Recovery    []recoveryFigure
	NotHit      []string // without many cells
	Spared      string   // with many cells, how many were not hit
	Details     []cellDetail
	Causes      []runCause // with many cells
	Comparisons []comparisonGroup
	Invalid     []invalidSample
	Definitions []metric
	Kinds       []threatKind // that some cell met
}

// A cellFinding is the outcome of a cell, or of several, in a sentence.
type cellFinding struct{ Label, Text string }

// A labelledChart is a chart with what it is of.
type labelledChart struct {
	Label string
	Chart template.HTML
}

type expectationRow struct {
	results.Expectation
	Label, MetricLabel, Outcome, Bound string
	Evidence                           []evidence // on the page
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

// A cellDetail is a cell's own section. With many cells it is folded, and has all that is said of the cell.
type cellDetail struct {
	results.Cell
	Label    string
	Index    int
	Anchor   string
	Stories  []string // a line each host, where the timeline's lanes are too thin to tell
	Timeline template.HTML
	Dense    bool // the timeline's lanes are thin
	Hidden   int  // hosts that the timeline does not draw
	Causes   []cause

	Folded  bool
	Finding string
	States  template.HTML
	Figures []metricRow
}

type cause struct {
	results.Cause
	Where  string // function+offset [module]
	Anchor string // of its own section, where it has one
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
		Title: oneLine(r.Scenario.Name), Started: when(r.Run.Started), RunState: runState(r), Notes: notes(r),
		Waves: wavesOf(r), Outcome: outcomeOf(r), VerdictText: verdict(r), MetMeans: metMeans(r),
		Deadline:  seconds(time.Duration(r.Scenario.Deadline).Seconds()),
		StableFor: seconds(time.Duration(r.Scenario.StableFor).Seconds()),
		Liveness:  seconds(time.Duration(r.Scenario.Liveness).Seconds()),
		Labels:    labels(r.Cells), Columns: len(r.Cells) + 1, Many: len(r.Cells) > fewCells,
		TableWidth: template.CSS(fmt.Sprintf("%drem", 9+14*len(r.Cells))), States: states(), Definitions: shownMetrics(r.Cells, r.Provenance.Clock),
	}
	p.Asides, p.Overhead = asides(r), overheadName(r.Provenance.Clock)
	p.ClockMeaning = clockMeaning(r.Provenance.Clock)
	p.Retried, p.LeftOut, p.Changed = retried(r), leftOut(r), changedFacts(r)
	p.Unreliable, p.VerifiedHow, p.Verified = unreliable(r), verifiedHow(r), verification(r)
	if p.Title == "" {
		p.Title = "unnamed scenario"
	}
	p.Findings = findings(r)
	p.Expectations, p.Met = expectationRows(r)
	p.fillOverview(r)
	p.fillCells(r)
	p.fillEvidence()
	p.Comparisons = comparisonGroups(r, p.Many)
	return p, nil
}

// expectationRows are those that are shown, and of many those that were met apart.
func expectationRows(r *results.Results) (shown, met []expectationRow) {
	for _, e := range r.Expectations {
		row := expectationRow{Expectation: e, Label: labelOf(r, e.Cell), MetricLabel: metricLabel(e.Metric),
			Outcome: outcome(r, e), Bound: bounds(e, unitOf(r, e.Cell, e.Metric))}
		if e.Status == results.Met && len(r.Expectations) > fewExpectations {
			met = append(met, row)
		} else {
			shown = append(shown, row)
		}
	}
	return shown, met
}

// fillOverview sets what is said of fleets and faults as a whole.
func (p *page) fillOverview(r *results.Results) {
	p.Matrices = matrices(r)
	if len(p.Matrices) > 0 {
		p.MatrixWidth = template.CSS(fmt.Sprintf("%drem", 8+columnWidth(p.Matrices[0].Updates)*len(p.Matrices[0].Updates)))
	}
	p.Fleets = fleetSummaries(r.Cells)
	p.Tradeoff, p.NoTradeoff = tradeoffChart("fleets", p.Fleets), noTradeoff(p.Fleets)
	p.Visibility = visibilityTable(p.Fleets)
	p.VisibilityWidth = template.CSS(fmt.Sprintf("%drem", 11+8*len(p.Fleets)))
	for _, row := range p.Visibility {
		if row.Definition != "" {
			p.Kinds = append(p.Kinds, row.threatKind)
		}
	}
}

// fillCells sets what is said of each cell, and the invalid samples with it.
func (p *page) fillCells(r *results.Results) {
	w := windowOf(r.Cells)
	p.Window = "never reverted within the time observed"
	if w.revert {
		p.Window = "from its injection to " + seconds(w.reverted) + ", its latest revert"
	}
	if p.Many {
		p.Causes = runCauses(r)
		for i, g := range cellGroups(r.Cells) {
			chart := statesChart(fmt.Sprintf("fleet%d", i), g.Label, w, g.faulty().Cells...)
			p.StateCharts = append(p.StateCharts, labelledChart{g.Label, chart})
		}
	} else {
		p.Groups = metricGroups(r.Cells, r.Provenance.Clock)
	}
	for i, c := range r.Cells {
		label := p.Labels[i]
		states := statesChart(fmt.Sprintf("states%d", i), label, w, c)
		d := cellDetail{Cell: c, Label: label, Index: i, Anchor: anchor(i),
			Timeline: hostsChart(fmt.Sprintf("hosts%d", i), label, c, w, p.Many),
			Dense:    p.Many || len(c.HostsDetail) > roomyLanes, Hidden: len(c.HostsDetail) - len(lanes(c.HostsDetail))}
		if d.Dense { // its lanes tell nothing to who cannot point at them
			d.Stories = stories(c)
		}
		for _, cc := range c.Causes {
			d.Causes = append(d.Causes, cause{cc, where(cc), causeAnchor(p.Causes, cc)})
		}
		if p.Many {
			d.Folded, d.Finding, d.States = true, finding(c, time.Duration(r.Scenario.Deadline)), states
			for _, g := range metricGroups(r.Cells[i:i+1], r.Provenance.Clock) {
				d.Figures = append(d.Figures, g.Rows...)
			}
		} else {
			p.StateCharts = append(p.StateCharts, labelledChart{label, states})
			if len(c.Curve) == 0 {
				p.NotHit = append(p.NotHit, label)
			}
		}
		p.Details = append(p.Details, d)
		p.Invalid = append(p.Invalid, invalidSamples(label, c)...)
	}
	p.Recovery, p.Spared = recoveryFigures(r.Cells, p.Labels, p.Many)
}

// where is the faulting instruction as kernels print it, e.g. "ff_match+0x1b3/0x2a0 [fleetfall]", with whose call it
// was: "memcmp+0x8/0x40, called by agentk:ff_load".
func where(c results.Cause) string {
	s := oneLine(c.Function)
	if s != "" && c.Offset != "" {
		s += "+" + oneLine(c.Offset)
	}
	if c.Module != "" {
		s += " [" + oneLine(c.Module) + "]"
	}
	if c.Caller != "" {
		s += ", called by " + oneLine(c.Caller)
	}
	return s
}

// metricGroups is the metrics' table, without rows that no cell has a figure or a note for.
func metricGroups(cells []results.Cell, clock string) []metricGroup {
	var groups []metricGroup
	for _, m := range shownMetrics(cells, clock) {
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
