package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fleetfall/fleetfall/internal/tool"
	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/draw"
	"github.com/fleetfall/fleetfall/orchestrator/fleet/fleettest"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/scenarios"
)

var update = flag.Bool("update", false, "write what commands print into the scripts that compare it")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"fleetfall": func() { os.Exit(Main()) }})
}

// TestScripts runs testdata/*.txtar. Beside testscript's own commands they have:
//
//	exits CODE COMMAND ARG...  runs a command that must end with that exit code
//	writes JOURNAL             goes on with a run's journal, as the run itself would, until the script ends
//
// the condition [vm], this machine can run VMs or promises to; and $FLEETFALL, the program's path.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Condition:           condition,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "writes": writes},
		Setup: func(env *testscript.Env) error {
			// The Go cache, so that an image can be built; no colours, so that output can be compared.
			for _, name := range []string{"FLEETFALL_PROMISED", "GOFLAGS", "GOPROXY", "GOSUMDB"} {
				env.Setenv(name, os.Getenv(name))
			}
			for name, args := range map[string][]string{"GOCACHE": {"env", "GOCACHE"}, "GOMODCACHE": {"env", "GOMODCACHE"}} {
				out, err := exec.Command("go", args...).Output()
				if err != nil {
					return err
				}
				env.Setenv(name, string(out[:len(out)-1]))
			}
			path, err := exec.LookPath("fleetfall")
			if err != nil {
				return err
			}
			env.Setenv("FLEETFALL", path)
			for i := range 2 {
				shard := results.Shard{Index: i + 1, Of: 2}
				if err := recordRun(filepath.Join(env.WorkDir, "shards", fmt.Sprint(shard.Index)), &shard); err != nil {
					return err
				}
			}
			return recordRun(filepath.Join(env.WorkDir, "recorded"), nil)
		},
	})
}

func condition(name string) (bool, error) {
	switch name {
	case "vm":
		if os.Getenv("FLEETFALL_PROMISED") == "all" {
			return true, nil
		}
		return !slices.ContainsFunc(tool.Needed(), func(p tool.Prerequisite) bool {
			_, err := p.Find()
			return err != nil
		}), nil
	}
	return false, errors.New("unknown condition " + name)
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\nstderr:\n%s", got, want, ts.ReadFile("stderr"))
	}
}

func writes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: writes JOURNAL")
	}
	w, _, err := results.Resume(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(w.GoOn(results.Resumption{}))
	ts.Defer(func() { ts.Check(w.Close()) })
}

// recordRun leaves a run's directory with nothing but the journal of channel-file-291, or of a shard of it, on the
// conformance fake.
func recordRun(dir string, shard *results.Shard) error {
	plan, diags := scenarios.LoadFile(context.Background(), "channel-file-291", scenarios.Options{Vars: map[string]string{"repeat": "1"}})
	if diags.HasErrors() {
		return diags
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	j, err := results.Create(filepath.Join(dir, results.JournalFile), results.Header{
		RunID: "recorded", Started: time.Unix(1721362140, 0).UTC(), Draws: draw.ByIndex, Plan: plan, Shard: shard,
		Provenance: results.Provenance{Clock: "virtual", Facts: []results.Fact{{Name: "backend", Value: "the conformance fake"}}},
	})
	if err != nil {
		return err
	}
	trials := orchestrator.Trials(plan, nil)
	if shard != nil {
		if trials, err = orchestrator.Share(trials, *shard); err != nil {
			return err
		}
	}
	for i, trial := range trials {
		var opts fleettest.FakeOptions
		if !trial.Cell.Fleet.Control {
			opts.Deadly = []uint64{11}
		}
		f := fleettest.NewFake(trial.Hosts, opts)
		rec, err := j.Trial(i+1, results.TrialHeader{Cell: trial.Cell.ID, Repeat: trial.Repeat, Seed: trial.Seed, Hosts: trial.Hosts})
		if err != nil {
			return err
		}
		if _, err := trial.Run(context.Background(), f, rec, nil); err != nil {
			return err
		}
		if err := f.Close(context.Background()); err != nil {
			return err
		}
	}
	return errors.Join(j.End("complete", "", results.Ending{Duration: time.Minute}), j.Close())
}
