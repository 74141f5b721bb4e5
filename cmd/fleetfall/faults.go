package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/scenarios"
)

func faultNames() []string {
	var names []string
	for _, f := range content.Faults() {
		names = append(names, f.Name)
	}
	return names
}

func faultsCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "faults [NAME]",
		Short: "the ways in which an update can be wrong, and the outages that they stand for",
		Example: `  fleetfall faults
  fleetfall faults glob_backtracking`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return faultNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				for _, f := range content.Faults() {
					writeEntry(c, o, fmt.Sprintf("%-23s ", f.Name), f.Summary)
				}
				return nil
			}
			f, err := content.FindFault(args[0])
			if err != nil {
				return usage(scenarios.Unknown("fault", args[0], faultNames()))
			}
			describe(c, o, f)
			return nil
		},
	}
}

// describe prints all that is known of a fault.
func describe(c *cobra.Command, o *options, f content.Fault) {
	writeEntry(c, o, "", f.Name+": "+f.Summary)
	for _, line := range []struct{ name, text string }{{"defect", f.Defect}, {"effect", f.Effect}, {"outage", f.Outage}} {
		if line.text != "" {
			writeEntry(c, o, fmt.Sprintf("  %-9s ", line.name), line.text)
		}
	}
	for _, p := range f.Parameters {
		writeEntry(c, o, "  parameter ", fmt.Sprintf("%s (%s): %s", p.Name, p.Default, p.Summary))
	}
}
