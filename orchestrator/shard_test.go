package orchestrator

import (
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/scenarios"
)

// TestShare: each trial is one shard's, and no shard is expected to take much longer than another.
func TestShare(t *testing.T) {
	for _, name := range []string{"channel-file-291", "matrix"} {
		plan, diags := scenarios.LoadFile(t.Context(), name, scenarios.Options{})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		trials := Trials(plan, map[string]int{plan.Cells[1].ID: 2})
		for _, of := range []int{1, 2, 7, len(trials)} {
			seen := map[int]bool{}
			var least, most, longest time.Duration
			for i := range of {
				share, err := Share(trials, results.Shard{Index: i + 1, Of: of})
				if err != nil {
					t.Fatal(err)
				}
				var sum time.Duration
				for n, cost := range expected(share) {
					sum, longest = sum+cost, max(longest, cost)
					if seen[share[n].Number] {
						t.Fatalf("%s: trial %d is in two of %d shards", name, share[n].Number, of)
					}
					seen[share[n].Number] = true
					if n > 0 && share[n].Number < share[n-1].Number {
						t.Fatalf("%s: shard %d of %d is not in the plan's order", name, i+1, of)
					}
				}
				if most = max(most, sum); i == 0 || sum < least {
					least = sum
				}
			}
			if len(seen) != len(trials) {
				t.Errorf("%s: %d of %d trials are in %d shards", name, len(seen), len(trials), of)
			}
			if of < len(trials) && most-least > longest {
				t.Errorf("%s: of %d shards one takes %v and one %v, and no trial more than %v", name, of, least, most, longest)
			}
		}
		if _, err := Share(trials, results.Shard{Index: 1, Of: len(trials) + 1}); err == nil {
			t.Errorf("%s: %d shards for %d trials", name, len(trials)+1, len(trials))
		}
	}
}
