package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/fleetfall/fleetfall/results"
)

func TestMatrixRow(t *testing.T) {
	of := func(minutes float64, status, clock string, hosts, samples int) *results.Results {
		return &results.Results{
			Run: results.Run{Duration: minutes * 60, Status: status}, Provenance: results.Provenance{Clock: clock},
			Cells: []results.Cell{{Hosts: hosts, HostsDetail: make([]results.HostDetail, samples)}},
		}
	}
	for name, c := range map[string]struct {
		r    *results.Results
		want mark
	}{
		"in time":       {of(39, results.StatusComplete, "virtual", 3, 3), kept},
		"too late":      {of(41, results.StatusComplete, "virtual", 3, 3), broken},
		"on wall clock": {of(39, results.StatusComplete, "wall", 3, 3), skipped},
		"fewer hosts":   {of(39, results.StatusComplete, "virtual", 1, 1), skipped},
		"more repeats":  {of(39, results.StatusComplete, "virtual", 3, 6), skipped},
	} {
		if got := matrixRow(row{mark: skipped}, c.r); got.mark != c.want {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
}

// TestLatestRun: what a resumed run, a replay or a verification took is not what the trials take.
func TestLatestRun(t *testing.T) {
	root := t.TempDir()
	add := func(name string, edit func(*results.Results)) {
		t.Helper()
		dir := filepath.Join(root, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if edit == nil { // still going
			return
		}
		r := &results.Results{Schema: results.Schema, Run: results.Run{ID: name, Status: results.StatusComplete}}
		edit(r)
		f, err := os.Create(filepath.Join(dir, results.ResultsFile))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(results.Encode(f, r), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := latestRun(root, "matrix"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no run: %v", err)
	}
	add("matrix-20260101T000000Z-a", func(*results.Results) {})
	add("matrix-20260102T000000Z-b", func(*results.Results) {})
	add("matrix-20260103T000000Z-c", func(r *results.Results) { r.Run.Replays = "b" })
	add("matrix-20260104T000000Z-d", func(r *results.Results) { r.Run.Resumed = []results.Part{{}} })
	add("matrix-20260105T000000Z-e", func(r *results.Results) { r.Verification = []results.Verification{{}} })
	add("matrix-20260106T000000Z-f", func(r *results.Results) { r.Run.Status = results.StatusInterrupted })
	add("matrix-20260107T000000Z-g", nil)
	add("matrix-quick-20260108T000000Z-h", func(*results.Results) {})
	if dir, r, err := latestRun(root, "matrix"); err != nil || filepath.Base(dir) != "matrix-20260102T000000Z-b" || r.Run.ID != filepath.Base(dir) {
		t.Errorf("%s, %v, %v", dir, r, err)
	}
}
