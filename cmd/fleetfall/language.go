package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/scenarios"
)

func languageCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "language",
		Short:   "what can be written in a scenario: each block and attribute, with an example",
		Example: `  fleetfall language`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var text strings.Builder
			if err := scenarios.Reference(&text); err != nil {
				return err
			}
			for line := range strings.Lines(text.String()) {
				writeEntry(c, o, "", strings.TrimSuffix(line, "\n"))
			}
			return nil
		},
	}
}
