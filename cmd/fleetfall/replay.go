package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/orchestrator/experiment"
	"github.com/fleetfall/fleetfall/results"
)

func replayCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "replay RUN",
		Short: "put a recorded run's events through the orchestrator again, and compare what it decides",
		Long: `replay takes the events of a recorded run, hands them to the orchestrator of this fleetfall in the place of hosts, and
holds every decision of its against the recorded one: actions, marks, timers, and how each trial ends. The same events
and the same decisions give the same metrics. Another fleetfall that decides otherwise is found out without a single
host.

RUN is the run's directory, its journal, its ID, or "latest". The replay gets a directory of its own in "replays" below
--results, with a journal, results and a report; "latest" stays what it is.

Exit codes: 0 all decisions and metrics are the same, 1 some differ, 2 the command line is wrong, 3 the run cannot be
replayed, 130 interrupted.`,
		Example: `  fleetfall replay latest
  fleetfall replay results/runs/channel-file-291-20260719T040900Z-ab12cd34`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return o.completeRun(c, args, prefix)
		},
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := results.FindRun(o.results, args[0])
			if err != nil {
				return usage(err)
			}
			r, err := experiment.Replay(c.Context(), experiment.ReplayConfig{Run: dir, Results: o.results, Version: version()})
			switch {
			case c.Context().Err() != nil:
				return &exitError{exitInterrupted, errors.New("interrupted")}
			case err != nil:
				return infra(err)
			}
			return printReplay(c, r)
		},
	}
}

func printReplay(c *cobra.Command, r *experiment.Replayed) error {
	out := c.OutOrStdout()
	write(out, "replayed run %s: %d trials, %d events, %d actions, %d metrics\n", r.Of, r.Trials, r.Events, r.Actions, r.Metrics)
	for _, d := range r.Diverged {
		write(out, "trial %d, %s, repeat %d: %v\n", d.Trial.Number, trialName(d.Trial), d.Trial.Repeat, d.Where)
	}
	for _, change := range r.Changed {
		write(out, "%v\n", change)
	}
	if r.Same() {
		write(out, "all decisions and metrics are the same\n")
	}
	write(out, "\nreport: %s\n", filepath.Join(r.Dir, results.ReportFile))
	if r.Same() {
		return nil
	}
	return &exitError{exitMissed, fmt.Errorf("the replay differs from run %s: in the decisions of %d of %d trials, and in %d of %d metrics",
		r.Of, len(r.Diverged), r.Trials, len(r.Changed), r.Metrics)}
}
