package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/orchestrator/experiment"
	"github.com/fleetfall/fleetfall/results"
)

func mergeCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "merge RUN...",
		Short: "make one run of all shards of a run",
		Long: `merge takes the runs of all shards of a scenario, which were run with --shard here or on other machines, and makes one run
of them: each trial as it was recorded, in the order of a single machine, with results and a report. On the virtual clock it
is the run that a single machine would have recorded, with times within the backend's tolerance. The shards stay as they are.

RUN is a shard's directory, its journal, or its ID. What are not all the shards of one run is refused: one is missing or
there twice, is not complete, was edited, or was run by another fleetfall, on other images or with other variables.

Exit codes: those of run: 0 all expectations met, 1 one missed, 2 the command line is wrong, 3 the shards cannot be
merged, or nothing can be concluded, 130 interrupted.`,
		Example: `  fleetfall merge results/runs/matrix-*
  fleetfall merge shards/*/runs/*`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: o.completeRun,
		RunE: func(c *cobra.Command, args []string) error {
			cfg := experiment.MergeConfig{Results: o.results, Version: version()}
			for _, name := range args {
				dir, err := results.FindRun(o.results, name)
				if err != nil {
					return usage(err)
				}
				cfg.Runs = append(cfg.Runs, dir)
			}
			merged, err := experiment.Merge(c.Context(), cfg)
			if c.Context().Err() != nil {
				return &exitError{exitInterrupted, errors.New("interrupted: nothing was merged")}
			}
			return outcome(c, merged, errors.Join(err, printFinished(c, o, merged)))
		},
	}
}
