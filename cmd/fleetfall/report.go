package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/report"
)

func reportCommand(o *options) *cobra.Command {
	var verdict bool
	c := &cobra.Command{
		Use:   "report [RUN]",
		Short: "compute a run's results and report again from its journal",
		Long: `report reads a run's journal and writes everything that follows from it anew: results.json, report.html, summary.md,
provenance.json and scenario.hcl. The same journal gives the same bytes. It works on interrupted and killed runs too. Of a
run that still runs it shows what there is so far, and writes nothing.

RUN is the run's directory, its journal, or its ID; the latest run if there is none. A replay's will do too.

Exit codes: 0 the results were computed, whatever they are, 2 the command line is wrong, 3 the journal is damaged or cannot
be read, or the report cannot be written. With --exit-code, those of run: 0 all expectations met, 1 one missed, 3 nothing
can be concluded, also because the run was interrupted or still runs.`,
		Example: `  fleetfall report
  fleetfall report results/runs/channel-file-291-20260719T040900Z-ab12cd34
  fleetfall report --exit-code latest`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			name := "latest"
			if len(args) == 1 {
				name = args[0]
			}
			dir, err := results.FindRun(o.results, name)
			if err != nil {
				return usage(err)
			}
			running, err := results.Running(filepath.Join(dir, results.JournalFile))
			if err != nil {
				return infra(err)
			}
			compute := report.Files
			if running {
				compute = report.SoFar
			}
			r, err := compute(dir)
			if err != nil {
				return infra(err)
			}
			t := terminalOf(c.OutOrStdout(), o)
			if err := report.Terminal(c.OutOrStdout(), r, t.width, t.color); err != nil {
				return infra(err)
			}
			if running {
				write(c.OutOrStdout(), "\nthe run still runs: its report is written when it ends\n")
			} else {
				write(c.OutOrStdout(), "\nreport: %s\n", filepath.Join(dir, results.ReportFile))
			}
			switch {
			case !verdict:
				return nil
			case running:
				return infra(errors.New("the run still runs: nothing can be concluded yet"))
			case r.Run.Status != results.StatusComplete:
				return infra(fmt.Errorf("the run is %s: nothing can be concluded", r.Run.Status))
			}
			return judged(r)
		},
	}
	c.Flags().BoolVar(&verdict, "exit-code", false, "exit as run does: 0 expectations met, 1 one missed, 3 nothing can be concluded")
	return c
}

// judged turns what came out into an exit code.
func judged(r *results.Results) error {
	if unreliable := r.Unreliable(); len(unreliable) > 0 {
		err := fmt.Errorf("the testbed cannot be relied upon: %s", unreliable[0])
		if more := len(unreliable) - 1; more > 0 {
			err = fmt.Errorf("%w, and %d more", err, more)
		}
		return infra(err)
	}
	switch {
	case r.Verdict == results.Met:
		return nil
	case r.Verdict == results.Missed:
		return &exitError{code: exitMissed}
	case r.Run.Shard != "" && r.Run.Status == results.StatusComplete && !lost(r): // the other shards have the rest
		return nil
	}
	return &exitError{code: exitInfra}
}

// lost tells whether the testbed failed a trial that was not run again, or a host.
func lost(r *results.Results) bool {
	for _, c := range r.Cells {
		if c.Invalid > 0 || slices.ContainsFunc(c.Trials, func(t results.Trial) bool { return t.Status == orchestrator.Invalid && !t.Superseded }) {
			return true
		}
	}
	return false
}
