package main

import (
	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/agents/content"
)

func faultsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "faults [NAME]",
		Short: "the ways in which an update can be wrong, and the outages that they stand for",
		Example: `  fleetfall faults
  fleetfall faults glob_backtracking`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, f := range content.Faults() {
				names = append(names, f.Name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				for _, f := range content.Faults() {
					write(c.OutOrStdout(), "%-23s %s\n", f.Name, f.Summary)
				}
				return nil
			}
			f, err := content.FindFault(args[0])
			if err != nil {
				return usage(err)
			}
			describe(c, f)
			return nil
		},
	}
}

// describe prints all that is known of a fault.
func describe(c *cobra.Command, f content.Fault) {
	w := c.OutOrStdout()
	write(w, "%s: %s\n", f.Name, f.Summary)
	for _, line := range []struct{ name, text string }{{"defect", f.Defect}, {"effect", f.Effect}, {"outage", f.Outage}} {
		if line.text != "" {
			write(w, "  %-9s %s\n", line.name, line.text)
		}
	}
	for _, p := range f.Parameters {
		write(w, "  parameter %s (%s): %s\n", p.Name, p.Default, p.Summary)
	}
}
