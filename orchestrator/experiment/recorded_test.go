package experiment

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fleetfall/fleetfall/results"
)

// TestRecordedRuns replays runs of real machines that were recorded before policies saw edges, orders had arguments and
// backends could be chosen: whatever is rebuilt decides as it did then. testdata/recorded has their journals as they
// were written, the demo's and the quick matrix's; nobody edits them. Those of fleetfalls whose journals had no
// checksums are read likewise.
func TestRecordedRuns(t *testing.T) {
	paths, err := filepath.Glob("testdata/recorded/*.jsonl")
	if err != nil || len(paths) != 2 {
		t.Fatalf("recordings %q, %v", paths, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for schema, journal := range map[string]string{"schema 2": string(text), "schema 1": withoutSums(string(text))} {
			t.Run(filepath.Base(path)+" of "+schema, func(t *testing.T) {
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, results.JournalFile), []byte(journal), 0o644); err != nil {
					t.Fatal(err)
				}
				replayed, err := Replay(t.Context(), ReplayConfig{Run: dir, Results: t.TempDir(), Version: "test"})
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range replayed.Diverged {
					t.Errorf("trial %d (%s): %v", d.Trial.Number, d.Trial.Cell.ID, d.Where)
				}
				for _, c := range replayed.Changed {
					t.Errorf("%+v", c)
				}
				if replayed.Trials < 3 || replayed.Events < 700 || replayed.Actions < 50 || replayed.Metrics < 100 {
					t.Errorf("replayed %d trials, %d events, %d actions and %d metrics, want a whole run", replayed.Trials, replayed.Events, replayed.Actions, replayed.Metrics)
				}
			})
		}
	}
}
