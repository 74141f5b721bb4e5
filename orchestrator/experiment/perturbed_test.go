package experiment

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/scenarios"
)

// TestPerturbedImages: images that differ in what no program reads, some more empty directories, give figures of which at
// least 85 % lie within one another's intervals. Without draws that differ between trials a single byte would move a fleet's
// recovery by ten seconds, since all copies of a template would move together.
func TestPerturbedImages(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("FLEETFALL_PERTURBED"))
	if err != nil || n < 2 {
		t.Skip("it runs the demo once for each image, which takes minutes: make soak-perturbed")
	}
	capability.VMs(t)
	recipe, err := os.ReadFile("../../vmimages/tiny.hcl")
	if err != nil {
		t.Fatal(err)
	}
	const directories = `directories = ["data", `
	if strings.Count(string(recipe), directories) != 1 {
		t.Fatal("the recipe's directories stand elsewhere")
	}
	plan, diags := scenarios.LoadFile(t.Context(), "channel-file-291", scenarios.Options{Clock: scenarios.ClockVirtual})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var runs []*results.Results
	for i := range n {
		more := directories
		for j := range 7 * i {
			more += fmt.Sprintf(`"unread-%d", `, j)
		}
		finished, err := Run(t.Context(), Config{
			Plan: plan, Results: t.TempDir(), Cache: ownCache(t), Version: "test",
			Recipes: fstest.MapFS{"tiny.hcl": {Data: []byte(strings.Replace(string(recipe), directories, more, 1))}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if finished.Results.Verdict != results.Met {
			t.Errorf("image %d: the verdict is %s", i, finished.Results.Verdict)
		}
		runs = append(runs, finished.Results)
	}
	held, all, moved := 0, 0, 0
	for i, r := range runs {
		for j, other := range runs {
			for k, c := range r.Cells {
				for name, m := range c.Metrics {
					o := other.Cells[k].Metrics[name]
					// A share that is none or all of the fleets in each run is within a one-sided limit whatever an image does.
					if i == j || m.Level == 0 || m.OneSided || o.Value == nil {
						continue
					}
					all++
					if *m.Value != *o.Value {
						moved++
					}
					if m.Holds(*o.Value) {
						held++
					} else {
						t.Logf("%s of %s: interval %s to %s, with another image %v", name, c.ID, limit(m.Lo), limit(m.Hi), *o.Value)
					}
				}
			}
		}
	}
	t.Logf("%d of %d figures lie within the interval of another image's run; %d differ at all", held, all, moved)
	if all == 0 || moved == 0 || float64(held) < 0.85*float64(all) {
		t.Errorf("%d of %d within, %d that differ; want 85 %%, and some that differ", held, all, moved)
	}
}

func limit(v *float64) string {
	if v == nil {
		return "open"
	}
	return fmt.Sprint(*v)
}
