package main

import (
	"github.com/spf13/cobra"
)

func validateCommand(o *options) *cobra.Command {
	var scenario scenarioFlags
	c := &cobra.Command{
		Use:   "validate SCENARIO",
		Short: "check a scenario and say all that is wrong with it",
		Example: `  fleetfall validate my.hcl
  fleetfall validate my.hcl --var hosts=100`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeScenario,
		RunE: func(c *cobra.Command, args []string) error {
			plan, err := scenario.load(c, o, args[0])
			if err != nil {
				return err
			}
			write(c.OutOrStdout(), "%s: scenario %q is valid: %d cells, %d trials\n",
				plan.SourceName, plan.Scenario, len(plan.Cells), len(plan.Cells)*plan.Repeat)
			return nil
		},
	}
	scenario.add(c)
	return c
}
