package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/results"
)

// TestStudy: three runs of a mean, of which one interval misses the grand mean and, of the others, each misses one figure.
func TestStudy(t *testing.T) {
	root := t.TempDir()
	var dirs []string
	for i, m := range []struct{ value, lo, hi float64 }{{10, 9, 12}, {11, 10, 12}, {15, 14, 16}} {
		r := &results.Results{Schema: results.Schema, Scenario: results.Scenario{Name: "s", Repeat: 5}}
		r.Run = results.Run{ID: string(rune('a' + i)), Status: "complete"}
		r.Cells = []results.Cell{{ID: "a", Metrics: map[string]results.Metric{
			"crashes": {Value: &m.value, Lo: &m.lo, Hi: &m.hi, Level: 0.96, Unit: "count"}, "boots": {Value: &m.value},
		}}}
		dir := filepath.Join(root, string(rune('a'+i)))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(filepath.Join(dir, results.ResultsFile))
		if err != nil {
			t.Fatal(err)
		}
		if err := results.Encode(f, r); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, dir)
	}
	var b strings.Builder
	if err := run(&b, dirs); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| a | crashes | 12 | 2 of 3 |", "| means | 96 % | 2 of 3 | 2 of 6 |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "boots") {
		t.Error("a figure without an interval is studied")
	}
	if err := run(&b, dirs[:1]); err == nil {
		t.Error("one run is studied")
	}
	if err := run(&b, []string{dirs[0], dirs[1], dirs[0]}); err == nil || !strings.Contains(err.Error(), "run a is given twice") {
		t.Errorf("a run that is given twice: %v", err)
	}
}

func TestFits(t *testing.T) {
	of := func(id, status, cell string, repeat int) *results.Results {
		return &results.Results{
			Scenario: results.Scenario{Name: "s", Repeat: repeat}, Run: results.Run{ID: id, Status: status},
			Cells: []results.Cell{{ID: cell}},
		}
	}
	others := []*results.Results{of("a", results.StatusComplete, "kernel", 5)}
	for want, r := range map[string]*results.Results{
		"the run is interrupted": of("b", results.StatusInterrupted, "kernel", 5),
		"run a is given twice":   of("a", results.StatusComplete, "kernel", 5),
		"with other cells":       of("b", results.StatusComplete, "user", 5),
		"3 repeats":              of("b", results.StatusComplete, "kernel", 3),
	} {
		if err := fits(r, others); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
	if err := fits(of("b", results.StatusComplete, "kernel", 5), others); err != nil {
		t.Error(err)
	}
}
