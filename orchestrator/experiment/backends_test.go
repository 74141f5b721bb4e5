package experiment

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/fleet/fleettest"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/scenarios"
)

// fakes are the backends of a fleetfall with fakes that lack something.
func fakes(lacks ...fleet.Capability) []backend.Driver {
	updates := []uint64{11} // the version of each
	return append(Backends(), fleettest.Driver(fleettest.FakeOptions{Deadly: updates, Lacks: lacks}))
}

// onFakes is the demo on the backend "fake", as a user would write it. Edits are pairs of what is there and what is to
// be.
func onFakes(t *testing.T, edits ...string) string {
	t.Helper()
	demo, diags := scenarios.LoadFile(t.Context(), "channel-file-291", scenarios.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	text := demo.Source
	edits = append(edits, "\n  seed ", "\n  backend = \"fake\"\n  seed ")
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			t.Fatalf("the scenario has no %q", edits[i])
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	return text
}

func loadOnFakes(t *testing.T, drivers []backend.Driver, text string) *scenarios.Plan {
	t.Helper()
	plan, diags := scenarios.Load(t.Context(), "demo.hcl", []byte(text), scenarios.Options{
		Vars: map[string]string{"hosts": "3", "repeat": "1"}, Backends: Known(drivers),
	})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return plan
}

// loose is an open backend whose figures are not exact, and whose hosts hear of each other late.
type loose struct{ backend.Backend }

func (b loose) Caps() fleet.Caps {
	c := b.Backend.Caps()
	c.Lookahead, c.Tolerance = 70*time.Millisecond, 3*time.Microsecond
	return c
}

// TestAScenarioChoosesItsBackend and is run there to its report.
func TestAScenarioChoosesItsBackend(t *testing.T) {
	drivers := fakes()
	open := drivers[1].Open
	drivers[1].Open = func(ctx context.Context, cfg backend.Config) (backend.Backend, error) {
		b, err := open(ctx, cfg)
		return loose{b}, err
	}
	var steps []string
	finished, err := Run(t.Context(), Config{
		Plan: loadOnFakes(t, drivers, onFakes(t)), Results: filepath.Join(t.TempDir(), "results"), Backends: drivers, Verify: true,
		Step: func(s string) { steps = append(steps, s) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if finished.Results.Run.Status != results.StatusComplete || finished.Trials != 6 || finished.Ended != 6 {
		t.Errorf("%+v; %d of %d trials", finished.Results.Run, finished.Ended, finished.Trials)
	}
	for _, c := range finished.Results.Cells {
		want := 0.0
		if c.Architecture == "kernel" { // what is deadly to a fake follows from the version alone
			want = 1
		}
		if m := c.Metrics["blast_radius"]; m.Value == nil || *m.Value != want {
			t.Errorf("%s: blast radius %+v, want %v", c.ID, m, want)
		}
	}
	for _, v := range finished.Results.Verification {
		if v.Status != results.Identical {
			t.Errorf("verification %+v", v)
		}
	}
	if page, err := os.ReadFile(filepath.Join(finished.Dir, results.ReportFile)); err != nil || !strings.Contains(string(page), "there are no guests") {
		t.Errorf("a report of %d bytes without the backend's fact, %v", len(page), err)
	}
	j, err := results.ReadFile(filepath.Join(finished.Dir, results.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	if got := (results.Fact{Name: "fakes", Value: "6 fleets"}); j.Provenance.Clock != "virtual" || j.Ending.Facts[len(j.Ending.Facts)-1] != got {
		t.Errorf("clock %q, facts at the end %+v", j.Provenance.Clock, j.Ending.Facts)
	}
	ahead := results.Fact{Name: "lookahead", Value: "70ms: what one host does at t reaches others from t + 70ms on"}
	if j.Verify.Tolerance != 3*time.Microsecond || !slices.Contains(j.Provenance.Facts, ahead) {
		t.Errorf("tolerance %v, facts %+v", j.Verify.Tolerance, j.Provenance.Facts)
	}
	if text := strings.Join(steps, "; "); !strings.Contains(text, "making fakes") || strings.Contains(text, "image") {
		t.Errorf("steps %s", text)
	}
}

// TestWhatABackendLacksIsADiagnostic, with the place in the source and what can be done about it; nothing has booted
// then.
func TestWhatABackendLacksIsADiagnostic(t *testing.T) {
	order := fleet.CanOrder(string(fleet.RemoveContent))
	for _, c := range []struct {
		drivers []backend.Driver
		edits   []string
		at      string // the line's text
		want    string
	}{
		{fakes(), []string{"\n  seed ", "\n  clock = \"wall\"\n  seed "}, `  clock = "wall"`,
			`The backend "fake" cannot keep the wall clock. Change "clock", or run it on the backend "libvirt", which can.`},
		{fakes(), []string{`architecture = "user"`, `architecture = "ebpf"`}, `  architecture = "ebpf"`,
			`The backend "fake" cannot run hosts of the architecture "ebpf". Change "architecture", or run it on the backend "libvirt", which can.`},
		{fakes(order), nil, `recovery "technicians" {`,
			`The backend "fake" cannot give a guest the order "remove_content". Change this recovery block, or run it on the backend "libvirt", which can.`},
		{fakes()[1:], []string{`architecture = "user"`, "architecture = \"user\"\n  crash_dump = true"}, "  crash_dump = true",
			`The backend "fake" cannot keep a host's memory at its first panic. No backend here can: change "crash_dump".`},
	} {
		text := onFakes(t, c.edits...)
		plan, diags := scenarios.Load(t.Context(), "demo.hcl", []byte(text), scenarios.Options{Backends: Known(c.drivers)})
		if plan != nil || len(diags) != 1 || diags[0].Detail != c.want {
			t.Errorf("%v; want only %s", diags, c.want)
			continue
		}
		if line := strings.Split(text, "\n")[diags[0].Subject.Start.Line-1]; strings.TrimRight(line, " ") != c.at {
			t.Errorf("it points to %q, want %q", line, c.at)
		}
	}
}

// TestPlansFromElsewhereAreHeldToTheirBackend: what was loaded where nobody knew the backends, or comes from a journal.
func TestPlansFromElsewhereAreHeldToTheirBackend(t *testing.T) {
	plan := loadOnFakes(t, fakes(), onFakes(t))
	for _, c := range []struct {
		drivers []backend.Driver
		change  func(*scenarios.Plan)
		want    string
	}{
		{Backends(), func(*scenarios.Plan) {}, `unknown backend "fake". The only choice is "libvirt".`},
		{fakes(), func(p *scenarios.Plan) { p.Cells[1].Fleet.Hosts = 1_000_001 }, `1000001 hosts; the backend "fake" can have 1000000`},
		{fakes(), func(p *scenarios.Plan) { p.Clock = scenarios.ClockWall }, `the backend "fake" cannot keep the wall clock`},
		{fakes(fleet.CanDo("reset")), func(*scenarios.Plan) {}, `the backend "fake" cannot carry out the action "reset"`},
		{fakes(), func(p *scenarios.Plan) { p.Nodes = []scenarios.Node{{Name: "n"}} }, "cannot put hosts on machines that host blocks name"},
	} {
		p := *plan
		p.Cells = append([]scenarios.Cell(nil), plan.Cells...)
		c.change(&p)
		root := filepath.Join(t.TempDir(), "results")
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // a million hosts are not to be run where they are not refused
		finished, err := Run(ctx, Config{Plan: &p, Results: root, Backends: c.drivers})
		if finished != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
		if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("something was made: %v", err)
		}
	}
}

// clockless is an open backend that keeps no virtual clock today.
type clockless struct{ backend.Backend }

func (clockless) Prepare(context.Context, []backend.Kind) ([]backend.Takes, error) {
	return nil, &backend.ClockError{Clock: fleet.VirtualClock, Err: errors.New("it has stopped")}
}

// TestClockThatCannotBe: what is asked for, or what a run began with, cannot be had on these machines.
func TestClockThatCannotBe(t *testing.T) {
	drivers := fakes()
	fake := drivers[1]
	drivers[1].Open = func(ctx context.Context, cfg backend.Config) (backend.Backend, error) {
		b, err := fake.Open(ctx, cfg)
		if cfg.Clock != fleet.VirtualClock {
			t.Errorf("asked for the clock %q", cfg.Clock)
		}
		return clockless{b}, err
	}
	for _, verify := range []bool{false, true} {
		plan := loadOnFakes(t, drivers, onFakes(t))
		want := `clock "virtual": it has stopped; ask for clock "wall"`
		if plan.Clock = scenarios.ClockVirtual; verify {
			plan.Clock, want = "", "so that no run is the same twice; and it has stopped"
		}
		finished, err := Run(t.Context(), Config{Plan: plan, Results: t.TempDir(), Backends: drivers, Verify: verify})
		if finished != nil || err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, ErrWallClock) != verify {
			t.Errorf("verification %t: %v, want %s", verify, err, want)
		}
	}
	began := &run{Config: Config{Plan: &scenarios.Plan{}}}
	began.before = &results.Journal{Header: results.Header{Provenance: results.Provenance{Clock: "wall"}}}
	if got := began.askedClock(); got != scenarios.ClockWall {
		t.Errorf("a run that began on the wall clock goes on with %q", got)
	}
}

// The estimate, which is the language's, and the decision whether a plan fits, which is the backend's, assume the same.
func TestAssumptionsAgree(t *testing.T) {
	if a, b := libvirt.Driver().Assume(backend.Kind{}).Overhead, int64(scenarios.EmulatedVMs().HostOverhead); a != b {
		t.Errorf("a host of libvirt's is assumed to take %d bytes besides its guest's memory, and by the estimate %d", a, b)
	}
}
