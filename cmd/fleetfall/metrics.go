package main

import (
	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/scenarios"
)

func metricsCommand() *cobra.Command {
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
			w := c.OutOrStdout()
			if len(args) == 0 {
				for _, m := range scenarios.Metrics() {
					write(w, "%-23s %-6s %s\n", m.Name, m.Unit, m.Definition)
				}
				return nil
			}
			m, err := scenarios.FindMetric(args[0])
			if err != nil {
				return usage(err)
			}
			write(w, "%s: %s\n  unit      %s: %s\n", m.Name, m.Definition, m.Unit, m.Unit.Meaning())
			return nil
		},
	}
}
