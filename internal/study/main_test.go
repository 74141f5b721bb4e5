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
		r := &results.Results{Schema: results.Schema, Scenario: results.Scenario{Name: "s", Repeat: 5}, Run: results.Run{Status: "complete"}}
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
}
