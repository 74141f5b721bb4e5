package main

import (
	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/scenarios"
)

func languageCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "language",
		Short:   "what can be written in a scenario: each block and attribute, with an example",
		Example: `  fleetfall language`,
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return scenarios.Reference(c.OutOrStdout()) },
	}
}
