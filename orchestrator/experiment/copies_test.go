package experiment

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/draw"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/health"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/scenarios"
	"github.com/fleetfall/fleetfall/vmimages"
)

// meaning is what an event says that should be the same in each run of a scenario: without times, boot IDs and counts,
// and without how a boot was made. "" is what says nothing else.
func meaning(e fleet.Event) string {
	switch w := e.What.(type) {
	case fleet.Beat, fleet.Threat, fleet.TimerFired: // as often as there is time
		return ""
	case fleet.Booting:
		return fmt.Sprintf("booting %s", w.Mode)
	case fleet.Hello:
		return fmt.Sprintf("hello %s %s content %d, agent %s, kernel %s", w.Mode, w.Architecture, w.ContentVersion, w.AgentState, w.Kernel)
	case fleet.Panic:
		return fmt.Sprintf("panic %s: %s, %s in %s:%s+%s", w.Source, w.Title, w.Type, w.Module, w.Function, w.Offset)
	case fleet.AgentExit:
		return fmt.Sprintf("agent exit signal %d code %d", w.Signal, w.Code)
	}
	return fmt.Sprintf("%s %+v", e.What.Kind(), e.What)
}

// story is what a host did in a trial: the distinct things that were seen of it, and the states that it was in, each in
// the order in which they were first so.
func story(t *results.TrialRecord, host string, limits health.Limits) (seen, states []string) {
	h := health.NewHost(limits)
	add := func(to []string, what string) []string {
		if what == "" || slices.Contains(to, what) {
			return to
		}
		return append(to, what)
	}
	for _, e := range t.Events {
		if e.Host != host {
			continue
		}
		seen = add(seen, meaning(e))
		for _, c := range h.Observe(e) {
			states = add(states, fmt.Sprintf("from %s to %s", c.From, c.To))
		}
	}
	return seen, states
}

// TestCopiesDoAsTheyWouldHaveBooted runs a scenario with hosts that start as copies, and with hosts that boot.
func TestCopiesDoAsTheyWouldHaveBooted(t *testing.T) {
	capability.VMs(t)
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	image, err := vmimages.Build(ctx, "tiny", vmimages.Options{Log: func(s string) { t.Log(s) }})
	if err != nil {
		t.Fatal(err)
	}
	plans := map[string]*scenarios.Plan{}
	var kinds []backend.Kind // of both: that hosts of a cold fleet boot is not for want of templates
	for _, boot := range []string{"clone", "cold"} {
		plan, diags := scenarios.LoadFile(t.Context(), filepath.Join("..", "..", "cmd", "fleetfall", "testdata", "smoke.hcl"),
			scenarios.Options{Vars: map[string]string{"boot": boot}})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		plans[boot] = plan
		for _, c := range plan.Cells {
			if k := kindOf(c.Fleet); !c.Fleet.Control && !slices.Contains(kinds, k) {
				kinds = append(kinds, k)
			}
		}
	}
	on := openVMs(ctx, t, image, kinds...)
	seen, states := map[string]map[string][]string{}, map[string]map[string][]string{} // by way to boot, by host
	for _, boot := range []string{"clone", "cold"} {
		seen[boot], states[boot] = map[string][]string{}, map[string][]string{}
		plan := plans[boot]
		limits := health.Limits{Liveness: time.Duration(plan.Liveness), Latency: time.Duration(plan.Latency)}
		for _, trial := range runFaulty(ctx, t, on, image, plan) {
			for _, spec := range trial.Hosts {
				seen[boot][spec.Name], states[boot][spec.Name] = story(trial, spec.Name, limits)
				if got := startedAsCopies(trial, spec.Name); !slices.Equal(got, startsOf(boot, len(got))) {
					t.Errorf("%s, %s: whether each boot was a copy: %v", boot, spec.Name, got)
				}
			}
		}
	}
	for what, by := range map[string]map[string]map[string][]string{"events": seen, "states": states} {
		if len(by["cold"]) != 2 {
			t.Errorf("%s of hosts %v, want two hosts", what, by["cold"])
		}
		if diff := cmp.Diff(by["cold"], by["clone"]); diff != "" {
			t.Errorf("%s of -booted +copied hosts:\n%s", what, diff)
		}
	}
}

// openVMs opens the libvirt backend on the wall clock, prepared for hosts of these kinds, until the test ends.
func openVMs(ctx context.Context, t *testing.T, image vmimages.Image, kinds ...backend.Kind) backend.Backend {
	t.Helper()
	on, err := libvirt.Driver().Open(ctx, backend.Config{
		RunID: newRunID(), Clock: fleet.WallClock, Images: map[string]vmimages.Image{image.Name: image}, Step: func(s string) { t.Log(s) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := closing(ctx, closeWithin, on.Close); err != nil {
			t.Error(err)
		}
	})
	if _, err := on.Prepare(ctx, kinds); err != nil {
		t.Fatal(err)
	}
	return on
}

// startedAsCopies tells for each boot of a host whether it was a copy.
func startedAsCopies(t *results.TrialRecord, host string) []bool {
	var copies []bool
	for _, e := range t.Events {
		if b, ok := e.What.(fleet.Booting); ok && e.Host == host {
			copies = append(copies, b.Cloned)
		}
	}
	return copies
}

// startsOf is how n boots of a host are made: only the first may be a copy.
func startsOf(boot string, n int) []bool {
	want := make([]bool, max(1, n))
	want[0] = boot == "clone"
	return want
}

// runFaulty runs the cells of a plan that have a faulty update, and returns what was recorded of them.
func runFaulty(ctx context.Context, t *testing.T, on backend.Backend, image vmimages.Image, plan *scenarios.Plan) []*results.TrialRecord {
	t.Helper()
	r := &run{
		Config: Config{Plan: plan, Log: zerolog.Nop()}, dir: t.TempDir(), images: map[string]vmimages.Image{"tiny": image}, consoles: map[string]int{},
	}
	path := filepath.Join(r.dir, results.JournalFile)
	var err error
	if r.journal, err = results.Create(path, results.Header{RunID: "copies", Draws: draw.ByIndex, Plan: plan}); err != nil {
		t.Fatal(err)
	}
	for _, trial := range orchestrator.Trials(plan, nil) {
		if trial.Cell.Fleet.Control {
			continue
		}
		begun, err := r.begins(trial)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := begun.run(ctx, on); err != nil || out.Status != orchestrator.Settled {
			t.Fatalf("%s: %+v, %v", trial.Cell.ID, out, err)
		}
	}
	if err := r.journal.Close(); err != nil {
		t.Fatal(err)
	}
	j, err := results.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return j.Trials
}
