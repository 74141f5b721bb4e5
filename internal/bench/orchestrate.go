package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/fleet/fleettest"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/scenarios"
	"github.com/fleetfall/fleetfall/vmimages"
)

// orchestrateOnly is the argument with which this program does nothing but orchestrate, so that its memory is that.
const orchestrateOnly = "orchestrate"

func orchestratorMemory(ctx context.Context, _ string, _ vmimages.Image) (row, error) {
	peak, err := peakAlone(ctx, orchestrateOnly)
	return row{
		"orchestrator with 50 hosts of the conformance fake, peak resident", fmt.Sprintf("%.1f MB", float64(peak)/1e6),
		"under 64 MB", held(peak < 64e6),
	}, err
}

// orchestrate runs the kernel cell of channel-file-291 with 50 hosts of the conformance fake into a journal.
func orchestrate(ctx context.Context) (err error) {
	plan, diags := scenarios.LoadFile(ctx, "channel-file-291", scenarios.Options{Vars: map[string]string{"hosts": "50", "repeat": "1"}})
	if diags.HasErrors() {
		return diags
	}
	dir, err := os.MkdirTemp("", "fleetfall-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	j, err := results.Create(filepath.Join(dir, results.JournalFile), results.Header{RunID: "bench", Plan: plan})
	if err != nil {
		return err
	}
	for _, trial := range orchestrator.Trials(plan, nil) {
		if trial.Cell.Fleet.Name != "kernel" {
			continue
		}
		rec, err := j.Trial(1, results.TrialHeader{Cell: trial.Cell.ID, Hosts: trial.Hosts})
		if err != nil {
			return err
		}
		f := fleettest.NewFake(trial.Hosts, fleettest.FakeOptions{Deadly: []uint64{11}}) // the version of every update
		panics := 0
		out, err := trial.Run(ctx, f, rec, func(p orchestrator.Progress) { panics = p.Panics })
		switch {
		case err != nil:
			return err
		case out.Status == orchestrator.Invalid:
			return errors.New(out.Reason)
		case panics < len(trial.Hosts):
			return fmt.Errorf("%d hosts panicked %d times: the update is not what was to be orchestrated", len(trial.Hosts), panics)
		}
	}
	return j.Close()
}
