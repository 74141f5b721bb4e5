package report

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/scenarios"
)

func TestMatrices(t *testing.T) {
	for name, want := range map[string]int{"outage": 0, "pairs": 3, "matrix": 3, "nothing": 0} {
		if got := matrices(fixtures()[name]); len(got) != want {
			t.Errorf("%s has %d matrices, want %d", name, len(got), want)
		}
	}
	one := grid([]string{"kernel"}, []string{"field_count", "empty_rules"})
	same := grid([]string{"kernel", "user"}, []string{"field_count"})
	for _, r := range []*results.Results{one, same} {
		if got := matrices(r); len(got) != 0 {
			t.Errorf("%d cells of one architecture or one fault have a matrix", len(r.Cells))
		}
	}
	r := pairs()
	r.Cells = slices.DeleteFunc(r.Cells, func(c results.Cell) bool { return c.Fleet == "user" && c.Fault == "field_count" })
	m := matrices(r)[0]
	want := matrix{metric: m.metric, Samples: "6 host samples in each cell",
		Updates: []matrixUpdate{{Name: "field-count"}, {Name: "empty-rules"}},
		Rows: []matrixRow{
			{"control", "kernel", true, []matrixCell{{Text: "0 %", Interval: "0–35.4 %", Anchor: "lanes0"}, {Text: "0 %", Interval: "0–35.4 %", Anchor: "lanes1"}}},
			{"kernel", "kernel", false, []matrixCell{{Text: "0 %", Interval: "0–35.4 %", Anchor: "lanes2"}, {Text: "85 %", Interval: "20–100 %", Anchor: "lanes3", Level: 5}}},
			{"user", "user", false, []matrixCell{{}, {Text: "0 %", Interval: "0–35.4 %", Anchor: "lanes4"}}}, // the other was excluded
		},
	}
	if diff := cmp.Diff(want, m, cmp.AllowUnexported(matrix{})); diff != "" {
		t.Errorf("matrix (-want +got):\n%s", diff)
	}
	censored := matrices(r)[2].Rows[1].Cells[1]
	if !censored.Censored || censored.Text != "censored" || censored.Level != 5 || censored.Note == "" {
		t.Errorf("a median that was not reached is shown as %+v", censored)
	}
	if spared := matrices(r)[2].Rows[1].Cells[0]; spared.Censored || spared.Text != missing {
		t.Errorf("the median of a cell without hits is shown as %+v", spared)
	}
}

// TestStrandedHasAMatrix only where some host was.
func TestStrandedHasAMatrix(t *testing.T) {
	r := grid([]string{"kernel", "user"}, []string{"field_count", "empty_rules"})
	r.Cells[3].Metrics["stranded"] = fig(1, 0.5, 1, 6, "share")
	if got := matrices(r); len(got) != 4 || got[3].Key != "stranded" {
		t.Errorf("%d matrices, want one of the stranded hosts as the fourth", len(got))
	}
}

// A matrix holds what shares rollout and recovery, and a column tells updates of one fault apart.
func TestMatricesOfTwoRecoveries(t *testing.T) {
	r := grid([]string{"kernel", "user"}, []string{"field_count", "empty_rules"}, "none", "technicians")
	for i := range r.Cells {
		r.Cells[i].Fault = "field_count"
	}
	got := matrices(r)
	if len(got) != 6 || got[0].Among != "everyone, none" || got[1].Among != "everyone, technicians" {
		t.Fatalf("%d matrices, the first two of %q and %q", len(got), got[0].Among, got[1].Among)
	}
	for i, want := range []string{"lanes0", "lanes1"} {
		if a := got[i].Rows[0].Cells[0].Anchor; a != want {
			t.Errorf("the first figure of recovery %d leads to %s, want %s", i, a, want)
		}
	}
	if diff := cmp.Diff([]matrixUpdate{{Name: "field-count"}, {"empty-rules", "field_count"}}, got[0].Updates); diff != "" {
		t.Errorf("updates (-want +got):\n%s", diff)
	}
}

func TestLevels(t *testing.T) {
	for _, tt := range []struct {
		v    float64
		unit string
		want int
	}{
		{0, "share", 0}, {0.01, "share", 1}, {0.2, "share", 1}, {0.21, "share", 2}, {0.8, "share", 4}, {1, "share", 5},
		{0, "s", 0}, {0.5, "s", 1}, {3, "s", 2}, {19, "s", 3}, {50, "s", 4}, {99, "s", 5},
	} {
		if got := levelOf(tt.v, tt.unit, 100*time.Second); got != tt.want {
			t.Errorf("%v %s is shade %d, want %d", tt.v, tt.unit, got, tt.want)
		}
	}
}

func TestFleetSummaries(t *testing.T) {
	detected := func(n, of int) results.Detected { return results.Detected{N: of, Detected: n} }
	late := func(n, of int, median, longest float64) results.Detected {
		return results.Detected{N: of, Detected: n, Latency: ptr(median), LatencyMax: ptr(longest)}
	}
	c := func(fleet, update string, control bool, blast float64, overhead results.Metric, v ...results.Visibility) results.Cell {
		return results.Cell{Fleet: fleet, Architecture: "user", Update: update, Fault: update, Control: control, Visibility: v,
			Metrics: map[string]results.Metric{"blast_radius": fig(blast, 0, 1, 4, "share"), "overhead": overhead}}
	}
	got := fleetSummaries([]results.Cell{
		c("control", "a", true, 1, fig(1, 1, 1, 4, "ratio"), results.Visibility{What: "exec", Before: detected(0, 99)}),
		c("f", "a", false, 0.5, fig(0.1, 0, 1, 4, "ratio"),
			results.Visibility{What: "exec", Before: late(4, 4, 0.5, 9), During: late(2, 6, 3, 4)},
			results.Visibility{What: "rename", Before: detected(0, 4), During: detected(0, 6)}),
		c("f", "b", false, 1, none("ratio", "no work"),
			results.Visibility{What: "exec", Before: late(3, 4, 1.5, 2), During: detected(0, 6)}),
		c("f", "c", false, 1, none("ratio", "no work"), // blind once all is quiet, for what no probe tells
			results.Visibility{What: "mmap", Before: detected(4, 4), After: detected(0, 6)}),
		c("f", "none", false, 0, none("ratio", "no work")), // no fault to spread
	})
	want := []fleetSummary{{Fleet: "f", Architecture: "user", Blast: ptr(2.5 / 3), Faults: 3, Overhead: ptr(0.1), Kinds: []fleetKind{
		{What: "exec", Before: late(7, 8, 1, 9), During: late(2, 12, 3, 4), MissedIn: []string{"b"}},
		{What: "rename", Before: detected(0, 4), During: detected(0, 6)},
		{What: "mmap", Before: detected(4, 4), After: detected(0, 6), MissedIn: []string{"c"}},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("summaries (-want +got):\n%s", diff)
	}
	// A fault that one of them did not meet is in no fleet's mean.
	none := none("ratio", "no work")
	for _, f := range fleetSummaries([]results.Cell{c("f", "a", false, 0.5, none), c("f", "b", false, 1, none), c("g", "a", false, 0.25, none)}) {
		if want := map[string]float64{"f": 0.5, "g": 0.25}[f.Fleet]; f.Blast == nil || *f.Blast != want || f.Faults != 1 {
			t.Errorf("%s: blast radius %s over %d faults, want %v over the one that both met", f.Fleet, optional(f.Blast, ""), f.Faults, want)
		}
	}
	for sign, d := range map[string]results.Detected{"✓": detected(4, 4), "✗": detected(0, 4), "◐": detected(1, 4), missing: {}} {
		if got := (fleetKind{Before: d}).Sign(); got != sign {
			t.Errorf("%+v is signed %s, want %s", d, got, sign)
		}
	}
}

// Each label is a line of its own, within the chart, however close the marks are.
func TestTradeoffLabels(t *testing.T) {
	for _, ys := range [][]float64{{10, 10, 10}, {100, 100, 98}, {50}, {0, 20, 100}} {
		var marks []fleetMark
		for _, y := range ys {
			marks = append(marks, fleetMark{y: y})
		}
		placeLabels(marks, 0, 110)
		for i, m := range marks {
			if m.labelY < 0 || m.labelY > 110 || i > 0 && m.labelY-marks[i-1].labelY < 15 {
				t.Errorf("marks at %v: label %d is at %v", ys, i, m.labelY)
			}
		}
	}
	if r := radius(ptr(2)); r != radius(ptr(1)) || r <= radius(ptr(0.5)) || radius(ptr(-1)) != radius(ptr(0)) {
		t.Error("a mark's size does not grow with the overhead within its bounds")
	}
}

// Marks in one place stand side by side, near where they belong and within the plot; marks apart stay where they are.
func TestSpread(t *testing.T) {
	a := axis{left: 100, right: 540}
	at := func(x, y, r float64) fleetMark { return fleetMark{x: x, y: y, r: r, atX: x, atY: y} }
	for name, marks := range map[string][]fleetMark{
		"one place":  {at(100, 32, 5), at(100, 32, 27), at(100, 32, 12)},
		"nearly":     {at(300, 200, 13), at(301, 201, 12), at(320, 200, 12)},
		"many":       slices.Repeat([]fleetMark{at(540, 340, 20)}, 20),
		"in another": {at(300, 200, 27), at(305, 205, 5)},
		"apart":      {at(300, 200, 27), at(360, 200, 5)},
	} {
		spread(marks, a, 32, 340)
		for i, m := range marks {
			if m.x < 100 || m.x > 540 || m.y < 32 || m.y > 340 {
				t.Errorf("%s: mark %d is at %v, %v", name, i, m.x, m.y)
			}
			if moved := m.x != m.atX || m.y != m.atY; name == "apart" && moved || i == 0 && moved {
				t.Errorf("%s: mark %d was moved", name, i)
			}
			for j, n := range marks[:i] {
				if math.Hypot(m.x-n.x, m.y-n.y) < m.r+n.r {
					t.Errorf("%s: marks %d and %d overlap", name, i, j)
				}
			}
		}
	}
}

// placed is a run of fleets with these places in the trade-off: blast radius and visibility.
func placed(places ...[2]float64) *results.Results {
	names := []string{"kernel", "user", "ebpf", "safe"}
	r := grid(names[:len(places)], []string{"field_count", "empty_rules"})
	for i := range r.Cells {
		if c := &r.Cells[i]; !c.Control {
			at := places[slices.Index(names, c.Fleet)]
			c.Metrics["blast_radius"], c.Metrics["visibility"] = fig(at[0], 0, 1, 6, "share"), fig(at[1], 0, 1, 9, "share")
		}
	}
	return r
}

// A trade-off is drawn where fleets differ. Where all are in one place a sentence says so.
func TestTradeoffIsWhereFleetsDiffer(t *testing.T) {
	const alike = "No trade-off is drawn: kernel, user, ebpf have the same blast radius (0 %, mean over the faults) " +
		"and the same visibility (77.8 %)."
	for _, tt := range []struct {
		r     *results.Results
		drawn bool
		none  string
	}{
		{placed([2]float64{0, 0.7778}, [2]float64{0, 0.77781}, [2]float64{0, 0.7778}), false, alike},
		{placed([2]float64{0, 0.7}, [2]float64{0, 0.7}, [2]float64{0, 0.8}), true, ""},
		{placed([2]float64{1, 1}, [2]float64{0, 1}), true, ""},
		{placed([2]float64{1, 1}), false, ""},
		{outage(), false, ""}, // visibility was not measured
	} {
		fleets := fleetSummaries(tt.r.Cells)
		if got := tradeoffChart("x", fleets) != ""; got != tt.drawn {
			t.Errorf("%+v: drawn %v", fleets, got)
		}
		if got := noTradeoff(fleets); got != tt.none {
			t.Errorf("%q, want %q", got, tt.none)
		}
		var page bytes.Buffer
		if err := HTML(&page, tt.r); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(page.String(), `id="tradeoff"`) != tt.drawn || tt.none != "" && !strings.Contains(page.String(), tt.none) {
			t.Errorf("the page has no trade-off, or should have none, and say %q", tt.none)
		}
	}
}

func TestThreatKindsAreFleets(t *testing.T) {
	var got []string
	for _, k := range threatKinds() {
		got = append(got, k.Name)
		if k.Probe != (fleet.Threat{What: k.Name}).Probe() {
			t.Errorf("%s: probe is %v here", k.Name, k.Probe)
		}
	}
	if !slices.Equal(got, fleet.ThreatKinds()) {
		t.Errorf("kinds of threats %v, package fleet has %v", got, fleet.ThreatKinds())
	}
}

// The catalogue has each metric that an expectation can bound, once, and no other.
func TestCatalogueIsComplete(t *testing.T) {
	var shown, defined []string
	for _, m := range catalogue() {
		shown = append(shown, m.Key)
		if m.Unit == "" || m.Definition == "" {
			t.Errorf("%s has the unit %q and the definition %q", m.Key, m.Unit, m.Definition)
		}
	}
	for _, m := range scenarios.Metrics() {
		defined = append(defined, m.Name)
	}
	if slices.Sort(shown); !slices.Equal(shown, defined) {
		t.Errorf("the catalogue has %v, scenarios %v", shown, defined)
	}
}

// What hangs is counted by the stretch of the guest's patience, and both lists say how long that is.
func TestStretchesAreThePatience(t *testing.T) {
	said := map[string][]string{}
	for _, m := range catalogue() {
		said[m.Key] = append(said[m.Key], m.Definition)
	}
	for _, m := range scenarios.Metrics() {
		said[m.Name] = append(said[m.Name], m.Definition)
	}
	want := fmt.Sprintf(" of %g s ", protocol.Patience.Seconds())
	for _, key := range []string{"blocked_work", "polls_failed", "work_latency"} {
		for _, definition := range said[key] {
			if !strings.Contains(definition, want) {
				t.Errorf("%s: %q does not say that a stretch is one of %s", key, definition, protocol.Patience)
			}
		}
	}
}

// TestHostileMatrix has an attack in each name of a matrix of many cells.
func TestHostileMatrix(t *testing.T) {
	const attack = "<script>alert(1)</script>\x1b[2J\"'><img src=x>|**[x](http://evil.example)**\n"
	r := matrixOfTwelve()
	for i := range r.Cells {
		c := &r.Cells[i]
		for _, s := range []*string{&c.Fleet, &c.Update, &c.Fault, &c.Architecture} {
			*s = attack + *s
		}
		replaceStrings(reflect.ValueOf(&c.Causes).Elem(), attack)
		for j := range c.Visibility {
			c.Visibility[j].What += attack
		}
		for j := range c.Loads {
			c.Loads[j].What += attack
		}
	}
	replaceStrings(reflect.ValueOf(&r.Causes[0].Cause).Elem(), attack)
	var page, table, summary bytes.Buffer
	for _, err := range []error{HTML(&page, r), Terminal(&table, r, 100, false), Markdown(&summary, r)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []string{"<script", "<img", "\x1b"} {
		if strings.Contains(page.String(), bad) || strings.Contains(summary.String(), bad) {
			t.Errorf("the page or the summary contains %q", bad)
		}
	}
	if strings.Contains(table.String(), "\x1b") {
		t.Error("the table contains terminal sequences")
	}
	if bad := regexp.MustCompile(`[^\\]\]\(|://|[^\\]\*\*\[`).FindString(summary.String()); bad != "" {
		t.Errorf("the summary contains %q", bad)
	}
	if n := strings.Count(page.String(), `href="#lanes`); n < 3*len(r.Cells) {
		t.Errorf("%d links to cells, want those of three matrices of %d cells", n, len(r.Cells))
	}
}

// TestNinetyCells: a matrix of 90 cells of three hosts, and 15 of the control arm, twice repeated.
func TestNinetyCells(t *testing.T) {
	r := ninety()
	var page, plain, summary bytes.Buffer
	for _, err := range []error{HTML(&page, r), Terminal(&plain, r, 130, false), Markdown(&summary, r)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d comparisons; page %d bytes, table %d lines, summary %d bytes", len(r.Comparisons), page.Len(), strings.Count(plain.String(), "\n"), summary.Len())
	if page.Len() > 3e6 {
		t.Errorf("the page has %d bytes, want less than 3 MB", page.Len())
	}
	if n := strings.Count(plain.String(), "\n"); n > 125 {
		t.Errorf("the table at the end of the run has %d lines", n)
	}
}
