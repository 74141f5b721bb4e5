package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/orchestrator/experiment"
	"github.com/fleetfall/fleetfall/vmimages"
)

func gcCommand(o *options) *cobra.Command {
	var dry bool
	c := &cobra.Command{
		Use:   "gc",
		Short: "remove what killed runs and image builds left: domains, daemons, files",
		Long: `gc removes the domains, libvirt daemons, processes, overlays and sockets of runs whose process is gone, and what killed
runs and image builds left unfinished in --cache. It touches nothing that fleetfall did not start, and no run and no
build that is still running. Results stay.

Exit codes: 0 nothing is left, 2 the command line is wrong, 3 something could not be removed, 130 interrupted.`,
		Example: `  fleetfall gc --dry-run
  fleetfall gc`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			did, lines, err := "would remove", []string(nil), error(nil)
			if dry {
				lines, err = leftovers(cacheDir(o))
			} else {
				did = "removed"
				lines, err = collect(c, o)
			}
			for _, line := range lines {
				write(c.OutOrStdout(), "%s %s\n", did, line)
			}
			switch {
			case c.Context().Err() != nil:
				return &exitError{exitInterrupted, errors.Join(errors.New("interrupted; fleetfall gc goes on"), err)}
			case err != nil:
				return infra(err)
			case len(lines) == 0:
				write(c.OutOrStdout(), "nothing was left\n")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "say what would be removed, and remove nothing")
	return c
}

// leftovers says, a line each, what killed runs and image builds have left.
func leftovers(cache string) ([]string, error) {
	var lines []string
	var errs []error
	for _, b := range experiment.Backends() {
		if b.Leftovers != nil {
			left, err := b.Leftovers(cache)
			lines, errs = append(lines, left...), append(errs, err)
		}
	}
	builds, err := vmimages.Leftovers(cache)
	return append(lines, unfinished(builds)...), errors.Join(append(errs, err)...)
}

// collect removes it, and says what of it.
func collect(c *cobra.Command, o *options) ([]string, error) {
	log, err := newLog(c.ErrOrStderr(), terminalOf(c.ErrOrStderr(), o), o)
	if err != nil {
		return nil, err
	}
	var lines []string
	var errs []error
	for _, b := range experiment.Backends() {
		if b.Collect != nil {
			removed, err := b.Collect(c.Context(), cacheDir(o), log)
			lines, errs = append(lines, removed...), append(errs, err)
		}
	}
	builds, err := vmimages.RemoveLeftovers(cacheDir(o))
	return append(lines, unfinished(builds)...), errors.Join(append(errs, err)...)
}

// unfinished says of what these files are.
func unfinished(builds []string) []string {
	var lines []string
	for _, path := range builds {
		lines = append(lines, "what a killed image build left unfinished: "+path)
	}
	return lines
}
