package main

import (
	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt"
)

func gcCommand(o *options) *cobra.Command {
	var dry bool
	c := &cobra.Command{
		Use:   "gc",
		Short: "remove what killed runs left: domains, daemons, files",
		Long: `gc removes the domains, libvirt daemons, processes, overlays and sockets of runs whose process is gone. It touches
nothing that fleetfall did not start, and no run that is still running. Results stay.`,
		Example: `  fleetfall gc --dry-run
  fleetfall gc`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if dry {
				left, err := libvirt.Leftovers("")
				if err != nil {
					return infra(err)
				}
				for _, l := range left {
					write(c.OutOrStdout(), "would remove what run %s left in %s: %s\n", l.RunID, l.Dir, l.Why)
				}
				return nil
			}
			log, err := newLog(c.ErrOrStderr(), terminalOf(c.ErrOrStderr(), o), o)
			if err != nil {
				return err
			}
			removed, err := libvirt.Collect(c.Context(), "", log)
			for _, line := range removed {
				write(c.OutOrStdout(), "removed %s\n", line)
			}
			if err != nil {
				return infra(err)
			}
			if len(removed) == 0 {
				write(c.OutOrStdout(), "nothing was left\n")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "say what would be removed, and remove nothing")
	return c
}
