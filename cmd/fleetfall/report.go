package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/report"
)

func reportCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "report [RUN]",
		Short: "compute a run's results and report again from its journal",
		Long: `report reads a run's journal and writes everything that follows from it anew: results.json, report.html, summary.md,
provenance.json and scenario.hcl. The same journal gives the same bytes. It works on interrupted and killed runs too.

RUN is the run's directory, its journal, or its ID; the latest run if there is none.`,
		Example: `  fleetfall report
  fleetfall report results/runs/channel-file-291-20260719T040900Z-ab12cd34`,
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
			r, err := report.Files(dir)
			if err != nil {
				return infra(err)
			}
			t := terminalOf(c.OutOrStdout(), o)
			if err := report.Terminal(c.OutOrStdout(), r, t.width, t.color); err != nil {
				return infra(err)
			}
			write(c.OutOrStdout(), "\nreport: %s\n", filepath.Join(dir, results.ReportFile))
			return nil
		},
	}
}
