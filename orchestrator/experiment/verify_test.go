package experiment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/internal/process"
	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/fleet/fleettest"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/measure"
	"github.com/fleetfall/fleetfall/scenarios"
)

// loadProcesses lists the processes of ours that keep CPUs busy.
func loadProcesses(t *testing.T) []process.Running {
	t.Helper()
	found, err := process.Find(func(args []string) bool { return slices.Contains(args, busyScript) })
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(found, func(p process.Running) bool { return !isChild(p.PID) })
}

// isChild tells whether the process is one that this one has started.
func isChild(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && strings.Contains(string(status), fmt.Sprintf("\nPPid:\t%d\n", os.Getpid()))
}

// virtualPlan is smallPlan on the virtual clock.
func virtualPlan(t *testing.T) *scenarios.Plan {
	p := smallPlan(t)
	p.Clock = scenarios.ClockVirtual
	return p
}

// underLoad is a testbed that counts the processes that keep CPUs busy when it makes a fleet. In a second run the hosts
// of some places boot slower.
type underLoad struct {
	testbed
	t    *testing.T
	slow map[string]time.Duration
	load []string // of the fleets
}

func (b *underLoad) NewFleet(ctx context.Context, cfg backend.FleetConfig) (fleet.Fleet, error) {
	n := len(loadProcesses(b.t))
	b.load = append(b.load, fmt.Sprintf("%s %d", cfg.Name, n))
	f, err := b.testbed.NewFleet(ctx, cfg)
	if slow := b.slow[cfg.Name]; slow > 0 && err == nil {
		f = fleettest.NewFake(cfg.Hosts, fleettest.FakeOptions{Deadly: []uint64{11}, Boot: 2*time.Second + slow})
	}
	return f, err
}

// verifying begins a run with verification.
func verifying(t *testing.T, root string) *run {
	t.Helper()
	r := newRun(t, Config{Plan: virtualPlan(t), Results: root, Verify: true})
	if err := r.checkVerify(); err != nil || r.verify == nil {
		t.Fatalf("%v; %+v", err, r.verify)
	}
	return r
}

// TestVerifyRunsEachTrialTwice, the second time and only then under load, and tells a run that is slower then.
func TestVerifyRunsEachTrialTwice(t *testing.T) {
	r := verifying(t, t.TempDir())
	r.verify.Tolerance = time.Millisecond
	begun := 0
	r.Begin = func(upcoming []orchestrator.Trial) { begun = len(upcoming) }
	var watched []int
	r.Watch = func(p orchestrator.Progress) {
		if p.Outcome != nil {
			watched = append(watched, p.Trial.Verifies)
		}
	}
	b := &underLoad{t: t, slow: map[string]time.Duration{kernelPlace + "-again": 100 * time.Microsecond, userPlace + "-again": time.Second}}
	j := r.finish(t, t.Context(), b, false)
	expectTold(t, j, "1 control settled", "2 control settled verifies 1", "3 kernel settled", "4 kernel settled verifies 3",
		"5 user settled", "6 user settled verifies 5")
	if begun != 6 || !slices.Equal(watched, []int{0, 1, 0, 3, 0, 5}) {
		t.Errorf("%d trials were announced, and those watched verify %v", begun, watched)
	}
	cpus := runtime.NumCPU()
	want := []string{
		controlPlace + " 0", fmt.Sprintf("%s-again %d", controlPlace, cpus), kernelPlace + " 0", fmt.Sprintf("%s-again %d", kernelPlace, cpus),
		userPlace + " 0", fmt.Sprintf("%s-again %d", userPlace, cpus),
	}
	if diff := cmp.Diff(want, b.load); diff != "" {
		t.Errorf("processes that keep CPUs busy (-want +got):\n%s", diff)
	}
	if left := loadProcesses(t); len(left) > 0 {
		t.Errorf("left: %+v", left)
	}
	if j.Verify == nil || j.Verify.Tolerance != time.Millisecond {
		t.Errorf("the header says %+v", j.Verify)
	}
	v := measure.Compute(j).Verification
	if len(v) != 3 || v[0].Status != results.Identical || v[1].Status != results.Within || v[2].Status != results.Differs {
		t.Errorf("verification %+v", v)
	}
	if a, b := console(t, r, kernelPlace), console(t, r, kernelPlace+"-again"); a != "fleet 3" || b != "fleet 4" {
		t.Errorf("the consoles are %q and %q", a, b)
	}
}

// TestVerifyIsResumed: what was interrupted in a second run goes on there, and whatever comes is verified too.
func TestVerifyIsResumed(t *testing.T) {
	root := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	r := verifying(t, root)
	j := r.finish(t, ctx, &underLoad{t: t, testbed: testbed{stop: cancel}}, false)
	expectTold(t, j, "1 control settled", "2 control interrupted verifies 1")
	if r.all != 6 || r.ended != 1 {
		t.Errorf("%d of %d trials have ended, want 1 of 6", r.ended, r.all)
	}
	if left := loadProcesses(t); len(left) > 0 {
		t.Errorf("left of an interrupted run: %+v", left)
	}

	again := newRun(t, Config{Results: root, Resume: r.dir})
	if err := again.checkVerify(); err != nil {
		t.Fatal(err)
	}
	begun := 0
	again.Begin = func(upcoming []orchestrator.Trial) { begun = len(upcoming) }
	b := &underLoad{t: t, testbed: testbed{fails: map[string]int{kernelPlace + "-again": 1, userPlace: 2}}}
	j = again.finish(t, t.Context(), b, true)
	expectTold(t, j, "1 control settled", "2 control interrupted verifies 1 superseded", "3 control settled verifies 1",
		"4 kernel settled", "5 kernel invalid verifies 4 superseded", "6 user invalid superseded",
		"7 kernel settled attempt 2 verifies 4", "8 user invalid attempt 2")
	if begun != 5 {
		t.Errorf("%d trials were announced, want the second of one cell and both of two", begun)
	}
	v := measure.Compute(j).Verification
	if len(v) != 2 || v[0].Status != results.Identical || v[1].Status != results.Identical {
		t.Errorf("verification %+v", v)
	}

	last := newRun(t, Config{Results: root, Resume: r.dir})
	nothing := &underLoad{t: t}
	if last.finish(t, t.Context(), nothing, false); len(nothing.made) != 0 {
		t.Errorf("fleets %q were made again", nothing.made)
	}
}

// TestVerifiedRunIsReplayed, its second runs with it, and comes to the same verification.
func TestVerifiedRunIsReplayed(t *testing.T) {
	root := t.TempDir()
	r := verifying(t, root)
	j := r.finish(t, t.Context(), &underLoad{t: t, slow: map[string]time.Duration{userPlace + "-again": time.Second}}, false)
	replayed, err := Replay(t.Context(), ReplayConfig{Run: r.dir, Results: root})
	if err != nil {
		t.Fatal(err)
	}
	if !replayed.Same() || replayed.Trials != 6 {
		t.Errorf("%+v", replayed)
	}
	if diff := cmp.Diff(measure.Compute(j).Verification, replayed.Results.Verification); diff != "" {
		t.Errorf("verification (-recorded +replayed):\n%s", diff)
	}
}

// TestVerifyNeedsTheVirtualClock, and says so before anything is made.
func TestVerifyNeedsTheVirtualClock(t *testing.T) {
	root := filepath.Join(t.TempDir(), "results")
	plan := smallPlan(t)
	plan.Clock = scenarios.ClockWall
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nothing else would be refused before an image is built
	finished, err := Run(ctx, Config{Plan: plan, Results: root, Verify: true})
	if finished != nil || !errors.Is(err, ErrWallClock) || !strings.Contains(err.Error(), `ask for clock "virtual"`) {
		t.Error(err)
	}
	if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was made: %v", err)
	}
}

// TestLoadThatEnds is no load, and is said not to have been.
func TestLoadThatEnds(t *testing.T) {
	b, err := keepBusy(2)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(loadProcesses(t)); got != 2 {
		t.Errorf("%d processes keep CPUs busy, want 2", got)
	}
	id, err := process.LookUp(b.pids[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := id.End(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := b.stop(); err == nil || !strings.Contains(err.Error(), "ended by itself") {
		t.Errorf("stop says %v", err)
	}
	if left := loadProcesses(t); len(left) > 0 {
		t.Errorf("left: %+v", left)
	}
}
