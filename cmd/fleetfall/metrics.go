package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/scenarios"
)

func metricsCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "metrics [NAME]",
		Short: "the figures that a scenario can expect something of, with their units",
		Example: `  fleetfall metrics
  fleetfall metrics time_to_recover_median`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, m := range scenarios.Metrics() {
				names = append(names, m.Name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				for _, m := range scenarios.Metrics() {
					writeEntry(c, o, fmt.Sprintf("%-23s %-6s ", m.Name, m.Unit), m.Definition)
				}
				return nil
			}
			m, err := scenarios.FindMetric(args[0])
			if err != nil {
				return usage(err)
			}
			writeEntry(c, o, "", m.Name+": "+m.Definition)
			writeEntry(c, o, "  unit      ", fmt.Sprintf("%s: %s", m.Unit, m.Unit.Meaning()))
			return nil
		},
	}
}
