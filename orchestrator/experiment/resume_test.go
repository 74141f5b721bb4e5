package experiment

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/fleet/fleettest"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/scenarios"
	"github.com/fleetfall/fleetfall/vmimages"
)

// testbed makes fleets of the conformance fake. The fleets of some places fail as a whole, so often.
type testbed struct {
	fails  map[string]int
	stop   func() // called when the fleet of this number is made; the second when that is 0
	stopAt int

	mu   sync.Mutex
	made []string
}

func (b *testbed) NewFleet(_ context.Context, cfg backend.FleetConfig) (fleet.Fleet, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.made = append(b.made, cfg.Name)
	if err := os.MkdirAll(cfg.ConsoleDir, 0o755); err != nil {
		return nil, err
	}
	console := filepath.Join(cfg.ConsoleDir, "console.log")
	if err := os.WriteFile(console, fmt.Appendf(nil, "fleet %d", len(b.made)), 0o644); err != nil {
		return nil, err
	}
	f := fleettest.NewFake(cfg.Hosts, fleettest.FakeOptions{Deadly: []uint64{11}})
	if b.fails[cfg.Name] > 0 {
		b.fails[cfg.Name]--
		return broken{f}, nil
	}
	if b.stop != nil && len(b.made) == cmp.Or(b.stopAt, 2) {
		b.stop()
	}
	return f, nil
}

// broken is a fleet whose hypervisor has gone.
type broken struct{ *fleettest.Fake }

func (broken) Next(context.Context) (fleet.Event, error) {
	return fleet.Event{What: fleet.InfraFailed{Op: "connect", Reason: "asked for by the test"}}, nil
}

// Places of smallPlan, as consoles and fleets are named.
const (
	controlPlace = "control_rapid-response_everyone_technicians-0"
	kernelPlace  = "kernel_rapid-response_everyone_technicians-0"
	userPlace    = "user_rapid-response_everyone_technicians-0"
)

func smallPlan(t testing.TB) *scenarios.Plan {
	t.Helper()
	plan, diags := scenarios.LoadFile(t.Context(), "channel-file-291", scenarios.Options{Vars: map[string]string{"hosts": "2", "repeat": "1"}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return plan
}

// newRun is a run as it stands once its hypervisor is open.
func newRun(t testing.TB, cfg Config) *run {
	t.Helper()
	cfg.Step, cfg.Begin = func(s string) { t.Log(s) }, func([]orchestrator.Trial) {}
	r := &run{Config: cfg, id: newRunID(), started: time.Now(), consoles: map[string]int{}}
	var err error
	if cfg.Resume != "" {
		err = r.takeUp()
	} else {
		r.dir, err = results.CreateRunDir(cfg.Results, cfg.Plan.Scenario, r.id, r.started)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// finish runs the trials, and ends the journal unless it is to look like that of a killed run.
func (r *run) finish(t testing.TB, ctx context.Context, b fleets, kill bool) *results.Journal {
	t.Helper()
	facts := []results.Fact{{Name: "accelerator", Value: "none"}, {Name: imageFact("tiny"), Value: "abc, kernel 6"}}
	if err := r.begin(results.Provenance{Facts: facts}); err != nil {
		t.Fatal(err)
	}
	status := results.StatusComplete
	if err := r.trials(ctx, b); err != nil {
		status = results.StatusInterrupted
	}
	var err error
	if !kill {
		err = r.journal.End(status, "", results.Ending{})
	}
	if err := errors.Join(err, r.journal.Close()); err != nil {
		t.Fatal(err)
	}
	j, err := results.ReadFile(filepath.Join(r.dir, results.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// told is what a journal says of its trials, a line each.
func told(j *results.Journal) []string {
	var lines []string
	for _, t := range j.Trials {
		cell, _, _ := strings.Cut(t.Cell, "/")
		line := fmt.Sprintf("%d %s %s", t.Number, cell, t.Status)
		if t.Wave > 0 {
			line += fmt.Sprintf(" wave %d of %d", t.Wave, t.Waves)
		}
		if t.Attempt > 0 {
			line += fmt.Sprintf(" attempt %d", t.Attempt)
		}
		if t.Verifies > 0 {
			line += fmt.Sprintf(" verifies %d", t.Verifies)
		}
		if t.Superseded {
			line += " superseded"
		}
		lines = append(lines, line)
	}
	return lines
}

func expectTold(t *testing.T, j *results.Journal, want ...string) {
	t.Helper()
	if diff := gocmp.Diff(want, told(j)); diff != "" {
		t.Errorf("trials (-want +got):\n%s", diff)
	}
}

func console(t *testing.T, r *run, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(r.dir, results.HostsDir, name, "console.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestInvalidTrialIsRunOnceMore, behind all others.
func TestInvalidTrialIsRunOnceMore(t *testing.T) {
	r := newRun(t, Config{Plan: smallPlan(t), Results: t.TempDir()})
	j := r.finish(t, t.Context(), &testbed{fails: map[string]int{kernelPlace: 1, userPlace: 9}}, false)
	expectTold(t, j, "1 control settled", "2 kernel invalid superseded", "3 user invalid superseded",
		"4 kernel settled attempt 2", "5 user invalid attempt 2")
	if a, b := console(t, r, kernelPlace+"-trial2"), console(t, r, kernelPlace); a != "fleet 2" || b != "fleet 4" {
		t.Errorf("the consoles are %q and %q", a, b)
	}
	if j.Trials[1].Seed != j.Trials[3].Seed {
		t.Error("the second attempt has another seed than the first")
	}
}

// TestResumeCompletesTheRun interrupts and kills runs in their second trial, and goes on.
func TestResumeCompletesTheRun(t *testing.T) {
	for _, kill := range []bool{false, true} {
		root := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		r := newRun(t, Config{Plan: smallPlan(t), Results: root})
		r.waves = map[string]int{"user/rapid-response/everyone/technicians": 2}
		j := r.finish(t, ctx, &testbed{stop: cancel}, kill)
		expectTold(t, j, "1 control settled", "2 kernel interrupted")

		again := newRun(t, Config{Results: root, Resume: filepath.Join(root, "latest")})
		if again.dir == filepath.Join(root, "latest") || again.id == r.id {
			t.Errorf("resumed in %s as %s", again.dir, again.id)
		}
		b := &testbed{fails: map[string]int{userPlace + "-wave2": 1}}
		j = again.finish(t, t.Context(), b, false)
		expectTold(t, j, "1 control settled", "2 kernel interrupted superseded", "3 kernel settled", "4 user settled wave 1 of 2",
			"5 user invalid wave 2 of 2 superseded", "6 user settled wave 2 of 2 attempt 2")
		if want := []string{kernelPlace, userPlace + "-wave1", userPlace + "-wave2", userPlace + "-wave2"}; !slices.Equal(b.made, want) {
			t.Errorf("fleets %q, want %q", b.made, want)
		}
		if j.Trials[1].Seed != j.Trials[2].Seed || len(j.Trials[2].Hosts) != 2 {
			t.Errorf("the trial in its place differs: %+v", j.Trials[2].TrialHeader)
		}
		if j.RunID != r.id || j.Status != results.StatusComplete || len(j.Resumed) != 1 {
			t.Errorf("run %s, status %s, resumed %d times", j.RunID, j.Status, len(j.Resumed))
		}
		if a, b := console(t, again, kernelPlace+"-trial2"), console(t, again, kernelPlace); a != "fleet 2" || b != "fleet 1" {
			t.Errorf("the consoles are %q and %q", a, b)
		}
	}
}

// TestSecondAttemptIsTheLast, also when the run was interrupted in it.
func TestSecondAttemptIsTheLast(t *testing.T) {
	root := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	r := newRun(t, Config{Plan: smallPlan(t), Results: root})
	j := r.finish(t, ctx, &testbed{fails: map[string]int{controlPlace: 1}, stop: cancel, stopAt: 4}, false)
	expectTold(t, j, "1 control invalid superseded", "2 kernel settled", "3 user settled", "4 control interrupted attempt 2")

	again := newRun(t, Config{Results: root, Resume: r.dir})
	j = again.finish(t, t.Context(), &testbed{fails: map[string]int{controlPlace: 9}}, false)
	expectTold(t, j, "1 control invalid superseded", "2 kernel settled", "3 user settled",
		"4 control interrupted attempt 2 superseded", "5 control invalid attempt 2")
}

func TestResumeNeverRepeatsWhatIsFinished(t *testing.T) {
	root := t.TempDir()
	r := newRun(t, Config{Plan: smallPlan(t), Results: root})
	r.finish(t, t.Context(), &testbed{fails: map[string]int{userPlace: 9}}, true) // killed behind its last trial
	again := newRun(t, Config{Results: root, Resume: r.dir})
	b := &testbed{}
	if j := again.finish(t, t.Context(), b, false); len(b.made) != 0 || j.Status != results.StatusComplete {
		t.Errorf("fleets %q were made again, status %s", b.made, j.Status)
	}
}

func TestResumeRefusesOtherImages(t *testing.T) {
	root := t.TempDir()
	r := newRun(t, Config{Plan: smallPlan(t), Results: root})
	r.finish(t, t.Context(), &testbed{}, true)
	again := newRun(t, Config{Results: root, Resume: r.dir})
	defer again.journal.Close()
	for digest, want := range map[string]string{"abc": "", "abcd": "is abcd here and was abc", "ab": "is ab here and was abc"} {
		again.images = map[string]vmimages.Image{"tiny": {Digest: digest}}
		if err := again.sameImages(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("digest %s: %v", digest, err)
		}
	}
	again.images = map[string]vmimages.Image{"other": {Digest: "abc"}}
	if err := again.sameImages(); err == nil {
		t.Error("an image that the journal does not know was accepted")
	}
}

// TestRefusedRunIsLeftAsItIs goes through Run itself: what it did not make it does not remove.
func TestRefusedRunIsLeftAsItIs(t *testing.T) {
	root := t.TempDir()
	r := newRun(t, Config{Plan: smallPlan(t), Results: root})
	r.finish(t, t.Context(), &testbed{}, false)
	path := filepath.Join(r.dir, results.JournalFile)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if finished, err := Run(t.Context(), Config{Results: root, Resume: r.dir}); finished != nil || !errors.Is(err, results.ErrComplete) {
		t.Errorf("a complete run was resumed: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the journal was changed: %v", err)
	}
	if _, err := Run(t.Context(), Config{Results: root, Resume: filepath.Join(root, "nothing")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a run that is not there: %v", err)
	}
}
