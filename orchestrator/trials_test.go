package orchestrator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/agents/architecture"
	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/draw"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/fleet/fleettest"
	"github.com/fleetfall/fleetfall/scenarios"
)

func TestTrialsOrderAndSeeds(t *testing.T) {
	p := plan("kernel", func(p *scenarios.Plan, _ *scenarios.Cell) { p.Repeat = 3 })
	p.Cells = append(p.Cells, plan("user", nil).Cells...)
	seeds := map[uint64]int{}
	for i, trial := range orchestrator.Trials(p, nil) {
		if trial.Number != i+1 || trial.Repeat != i/2 || trial.Cell.ID != p.Cells[i%2].ID || trial.Wave != 0 || trial.Waves != 0 {
			t.Errorf("trial %d is number %d, repeat %d of %s", i, trial.Number, trial.Repeat, trial.Cell.ID)
		}
		if repeat, ok := seeds[trial.Seed]; ok && repeat != trial.Repeat {
			t.Errorf("repeats %d and %d have one seed", repeat, trial.Repeat)
		}
		seeds[trial.Seed] = trial.Repeat
	}
	if len(seeds) != 3 {
		t.Errorf("%d different seeds in 3 repeats: the cells of one are to draw alike", len(seeds))
	}
}

// TestSeedsStay: the seeds of repeats are those that draw documents, since all other draws hang on them.
func TestSeedsStay(t *testing.T) {
	trials := orchestrator.Trials(plan("kernel", func(p *scenarios.Plan, _ *scenarios.Cell) { p.Repeat = 2 }), nil)
	for i, trial := range trials {
		if want := draw.Seed(trial.Plan.Seed, draw.Trial, i, 0); trial.Seed != want || trial.Draws != draw.ByIndex {
			t.Errorf("repeat %d: seed %d in way %d, want %d in way 1", i, trial.Seed, trial.Draws, want)
		}
	}
}

// TestNamesDrawNothing: what a fleet, an update, a recovery or a host is called, and what else a scenario has, changes
// nothing of what happens.
func TestNamesDrawNothing(t *testing.T) {
	story := func(change func(p *scenarios.Plan)) string {
		p := plan("kernel", func(p *scenarios.Plan, c *scenarios.Cell) {
			p.Repeat, c.Fleet.Hosts, c.Update.Fault = 2, 4, "bit_flips"
			c.Recovery.HandsOn = scenarios.Distribution{Kind: "lognormal", A: d(time.Minute), P: 0.5}
		})
		change(p)
		var story strings.Builder
		for _, trial := range orchestrator.Trials(p, nil) {
			if trial.Cell.Fleet.Architecture != architecture.Kernel {
				continue
			}
			f := fleettest.NewFake(trial.Hosts, deadly)
			rec := &digests{}
			if _, err := trial.Run(t.Context(), f, rec, nil); err != nil {
				t.Fatal(err)
			}
			f.Close(t.Context())
			story.WriteString(strings.ReplaceAll(strings.Join(rec.lines, "\n"), trial.Cell.Fleet.Name+"-", "HOST-"))
		}
		return story.String()
	}
	want := story(func(*scenarios.Plan) {})
	for name, change := range map[string]func(p *scenarios.Plan){
		"fleet":    func(p *scenarios.Plan) { p.Cells[0].Fleet.Name, p.Cells[0].ID = "other", "other/u/r/w" },
		"update":   func(p *scenarios.Plan) { p.Cells[0].Update.Name, p.Cells[0].ID = "other", "f/other/r/w" },
		"recovery": func(p *scenarios.Plan) { p.Cells[0].Recovery.Name, p.Cells[0].ID = "other", "f/u/r/other" },
		"cell behind it": func(p *scenarios.Plan) {
			p.Cells = append(p.Cells, plan("user", nil).Cells...)
		},
		"cell before it": func(p *scenarios.Plan) {
			p.Cells = append(plan("user", nil).Cells, p.Cells...)
		},
	} {
		if got := story(change); got != want {
			t.Errorf("another %s, and other things happen:\n%s\nwant\n%s", name, got, want)
		}
	}
	if story(func(p *scenarios.Plan) { p.Seed++ }) == want {
		t.Error("another seed, and the same things happen")
	}
}

// digests is a record that tells files apart too: what a fault draws shows in nothing else that a fake host does.
type digests struct{ record }

func (r *digests) Action(at time.Duration, a fleet.Action) error {
	if s, ok := a.(fleet.Serve); ok {
		return r.add("%s %s %s %s", at, a.Kind(), a.Target(), s.Digest)
	}
	return r.record.Action(at, a)
}

func TestWavesShareTheFleetOut(t *testing.T) {
	for _, c := range []struct {
		hosts, waves int
		sizes        []int
	}{
		{100, 3, []int{34, 33, 33}},
		{4, 2, []int{2, 2}},
		{7, 4, []int{2, 2, 2, 1}},
		{2, 5, []int{1, 1}}, // never an empty wave
		{5, 1, []int{5}},
		{5, 0, []int{5}},
	} {
		p := plan("kernel", func(p *scenarios.Plan, cell *scenarios.Cell) { p.Repeat, cell.Fleet.Hosts = 2, c.hosts })
		p.Cells = append(p.Cells, plan("user", nil).Cells...)
		trials := orchestrator.Trials(p, map[string]int{p.Cells[0].ID: c.waves})
		if want := 2 * (len(c.sizes) + 1); len(trials) != want {
			t.Errorf("%d hosts in %d waves: %d trials, want %d", c.hosts, c.waves, len(trials), want)
			continue
		}
		seeds, names, next := map[uint64]bool{}, map[string]bool{}, 1
		for i, size := range c.sizes {
			trial := trials[i]
			wave, waves := i+1, len(c.sizes)
			if waves == 1 {
				wave, waves = 0, 0
			}
			if trial.Number != i+1 || trial.Wave != wave || trial.Waves != waves || len(trial.Hosts) != size || trial.Repeat != 0 {
				t.Errorf("%d hosts in %d waves: trial %d is number %d, wave %d of %d, with %d hosts", c.hosts, c.waves, i,
					trial.Number, trial.Wave, trial.Waves, len(trial.Hosts))
			}
			for _, h := range trial.Hosts {
				digits := 2
				if c.hosts >= 100 {
					digits = 3
				}
				if want := fmt.Sprintf("kernel-%0*d", digits, next); h.Name != want {
					t.Errorf("host %d of %d is %s, want %s", next, c.hosts, h.Name, want)
				}
				next++
				names[h.Name] = true
			}
			seeds[trial.Seed] = true
		}
		if len(seeds) != len(c.sizes) || len(names) != c.hosts {
			t.Errorf("%d hosts in %d waves: %d different seeds, %d hosts", c.hosts, c.waves, len(seeds), len(names))
		}
		if other := trials[len(c.sizes)]; other.Cell.ID != p.Cells[1].ID || other.Wave != 0 {
			t.Errorf("behind the waves comes wave %d of %s", other.Wave, other.Cell.ID)
		}
	}
}

func TestColdFleetsAndTimeToBeReady(t *testing.T) {
	p := plan("kernel", func(_ *scenarios.Plan, c *scenarios.Cell) { c.Fleet.Hosts, c.Fleet.Boot = 100, "cold" })
	trial := orchestrator.Trials(p, nil)[0]
	if !trial.Hosts[99].Cold || trial.ReadyWithin != 5*time.Minute+500*time.Second {
		t.Errorf("cold is %v, ready within %s", trial.Hosts[99].Cold, trial.ReadyWithin)
	}
	p.Cells[0].Fleet.Boot = "clone"
	if trial := orchestrator.Trials(p, nil)[0]; trial.Hosts[0].Cold {
		t.Error("the hosts of a fleet of clones are cold")
	}
}
