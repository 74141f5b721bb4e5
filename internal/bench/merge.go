package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/experiment"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/scenarios"
	"github.com/fleetfall/fleetfall/vmimages"
)

// Shards that are merged, and what that may take at most against reading the journals of all of them.
const (
	mergeShards = 100
	mergeTimes  = 3.0
)

// mergedShards merges a hundred shards, of a trial of some thousand events each.
func mergedShards(ctx context.Context, scratch string, _ vmimages.Image) (row, error) {
	dir, err := os.MkdirTemp(scratch, "merge-")
	if err != nil {
		return row{}, err
	}
	plan, diags := scenarios.LoadFile(ctx, "channel-file-291", scenarios.Options{Vars: map[string]string{
		"hosts": "4", "repeat": fmt.Sprint((mergeShards + 2) / 3), "pace": "real",
	}})
	if diags.HasErrors() {
		return row{}, diags
	}
	cfg := experiment.MergeConfig{Results: dir, Version: "bench"}
	events := 0
	for i := range mergeShards {
		shard := filepath.Join(dir, "shards", fmt.Sprint(i+1))
		n, err := writeShard(shard, plan, results.Shard{Index: i + 1, Of: mergeShards})
		if err != nil {
			return row{}, err
		}
		cfg.Runs, events = append(cfg.Runs, shard), events+n
	}
	start := time.Now()
	for _, shard := range cfg.Runs {
		if _, err := results.ReadFile(filepath.Join(shard, results.JournalFile)); err != nil {
			return row{}, err
		}
	}
	reading := time.Since(start)
	start = time.Now()
	if _, err := experiment.Merge(ctx, cfg); err != nil {
		return row{}, err
	}
	took := time.Since(start)
	times := ratio(took, reading)
	return row{
		fmt.Sprintf("%d shards become one run, with its report, against reading their journals", mergeShards),
		fmt.Sprintf("%.2f x (%.1f s, of %d events)", times, took.Seconds(), events),
		fmt.Sprintf("at most %g x", mergeTimes), held(times <= mergeTimes),
	}, os.RemoveAll(dir)
}

// writeShard writes the journal of a shard, always the same, and says how many events it has.
func writeShard(dir string, plan *scenarios.Plan, shard results.Shard) (events int, err error) {
	trials, err := orchestrator.Share(orchestrator.Trials(plan, nil), shard)
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	return writeTrials(filepath.Join(dir, results.JournalFile), results.Header{RunID: fmt.Sprintf("shard%d", shard.Index), Plan: plan, Shard: &shard}, trials)
}
