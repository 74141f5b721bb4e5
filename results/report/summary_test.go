package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/results"
)

// summed is a cell of the fleet f with an update of this name.
func summed(update string, figures map[string]results.Metric) results.Cell {
	return results.Cell{ID: "f/" + update, Fleet: "f", Architecture: "f", Update: update, Fault: update, Metrics: figures}
}

func TestFindingOfManyCells(t *testing.T) {
	type figures = map[string]results.Metric
	share := func(v float64) results.Metric { return fig(v, 0, 1, 3, "share") }
	at := func(v float64) results.Metric { return fig(v, v, v, 3, "s") }
	quiet := figures{"blast_radius": share(0), "protection_radius": share(0), "stranded": share(0)}
	for _, tt := range []struct {
		cells []results.Cell
		want  string
	}{
		{[]results.Cell{summed("none", quiet)}, "no host became unavailable in any of 1 cell."},
		{[]results.Cell{summed("a", quiet), summed("b", quiet), summed("none", quiet)},
			"no host became unavailable in any of 2 cells with a faulty update."},
		{[]results.Cell{summed("a", figures{"blast_radius": none("share", "lost")})}, "no result."},
		{[]results.Cell{summed("a", quiet), summed("b", figures{"blast_radius": none("share", "lost")})},
			"no host became unavailable in any of 1 cell; 1 cell without a result."},
		{[]results.Cell{
			summed("a", figures{"blast_radius": share(1), "protection_radius": share(1), "time_to_recover_median": at(30), "protection_gap": at(33)}),
			summed("b", figures{"blast_radius": share(0.5), "protection_radius": share(0.5), "time_to_recover_median": at(90),
				"protection_gap": {AtLeast: ptr(300), N: 3, Unit: "s"}}),
			summed("c", figures{"blast_radius": share(1), "time_to_recover_median": {N: 3, Unit: "s"}, "stranded": share(1)}),
			summed("d", quiet),
		}, "hosts became unavailable in 3 of 4 cells, at worst 100 % of them (a, c); half of those were back within 1 min 30 s at worst (b); " +
			"in 1 fewer than half of them came back while they were observed (c); in 2 hosts lost protection, at worst for ≥ 5 min each (b); " +
			"in 1 hosts were stranded (c)."},
		{[]results.Cell{summed("a", quiet), summed("none", figures{"blast_radius": share(1)})},
			"no host became unavailable in any of 1 cell with a faulty update; a harmless update made hosts unavailable in 1."},
	} {
		groups := cellGroups(tt.cells)
		if len(groups) != 1 || groups[0].Label != "f" {
			t.Fatalf("groups %+v", groups)
		}
		for i, c := range tt.cells {
			groups[0].Names[i] = c.Update
		}
		if got := groups[0].finding(time.Minute); got != tt.want {
			t.Errorf("%s\nwant %s", got, tt.want)
		}
	}
}

// However many cells a run has, a report of any form begins with what happened: a sentence for each fleet or, of
// many, for each architecture.
func TestSentencesOfManyCells(t *testing.T) {
	fleets := matrixOfTwelve()
	for i := range fleets.Cells {
		c := &fleets.Cells[i]
		c.Fleet = fmt.Sprintf("fleet-%02d", i)
	}
	for name, tt := range map[string]struct {
		r    *results.Results
		want []string
	}{
		"architectures": {ninety(), []string{"control (kernel)", "kernel", "user", "hybrid", "ebpf", "safe", "none"}},
		"fleets":        {fleets, []string{"kernel (control)", "kernel", "user", "ebpf", "none"}},
	} {
		var got []string
		for _, f := range findings(tt.r) {
			got = append(got, f.Label)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: sentences of %q, want %q", name, got, tt.want)
		}
		tt.r.Expectations = nil // they have no part in it
		var page, plain, summary bytes.Buffer
		for _, err := range []error{HTML(&page, tt.r), Terminal(&plain, tt.r, 1000, false), Markdown(&summary, tt.r)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		last := findings(tt.r)[len(tt.want)-1]
		for form, c := range map[string]struct{ text, sentence, before string }{
			"page":    {page.String(), "<strong>" + last.Label + "</strong>: " + last.Text, `id="states"`},
			"table":   {plain.String(), last.Label + ": " + last.Text, "Blast radius"},
			"summary": {summary.String(), "**" + last.Label + "**: " + md(last.Text), "| Blast radius"},
		} {
			head, _, _ := strings.Cut(c.text, c.before)
			if !strings.Contains(head, c.sentence) {
				t.Errorf("%s: the %s does not begin with %q", name, form, c.sentence)
			}
		}
	}
}

// An expectation leads to what its figure was made from, and to nothing that the cell does not have.
func TestEvidence(t *testing.T) {
	all := cellDetail{Index: 7, Anchor: anchor(7), Timeline: "x", Stories: []string{"x"}, Causes: []cause{{}}}
	all.Visibility, all.Loads = []results.Visibility{{}}, []results.Load{{}}
	bare := cellDetail{Anchor: anchor(0)}
	for _, tt := range []struct {
		d    cellDetail
		key  string
		want []evidence
	}{
		{all, "blast_radius", []evidence{{"timeline", "lanes7"}, {"host by host", "hosts7"}, {"panics", "panics7"}}},
		{all, "visibility", []evidence{{"threats", "threats7"}, {"timeline", "lanes7"}, {"host by host", "hosts7"}}},
		{all, "overhead", []evidence{{"work", "threats7"}, {"timeline", "lanes7"}, {"host by host", "hosts7"}}},
		{bare, "visibility", []evidence{{"cell", "cell0"}}},
	} {
		if got := tt.d.evidence(tt.key); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.key, got, tt.want)
		}
	}
}

// TestMetIsNotWell: where every expectation is met, no form of report says that all is well.
func TestMetIsNotWell(t *testing.T) {
	r := outage()
	r.Verdict = results.Met
	for i := range r.Expectations {
		r.Expectations[i].Status = results.Met
	}
	var page, coloured, summary bytes.Buffer
	for _, err := range []error{HTML(&page, r), Terminal(&coloured, r, 120, true), Markdown(&summary, r)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	const caveat = "Met says that the outcome was foreseen"
	for form, text := range map[string]string{"page": page.String(), "table": coloured.String(), "summary": summary.String()} {
		if !strings.Contains(text, caveat) || !strings.Contains(strings.ToLower(text), "as expected") {
			t.Errorf("the %s does not say %q", form, caveat)
		}
	}
	if strings.Contains(coloured.String(), "\x1b[32m") || strings.Contains(coloured.String(), "\x1b[1;32m") {
		t.Error("the table is green")
	}
	if title, _, _ := strings.Cut(summary.String(), "\n"); title != "## channel-file-291: as expected" {
		t.Errorf("the summary is titled %q", title)
	}
	missed := outage()
	for i := range missed.Expectations {
		missed.Expectations[i].Status = results.Missed
	}
	if got := metMeans(missed); got != "" {
		t.Errorf("nothing was met, and the report says %q", got)
	}
}
