package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/vmimages"
)

func cacheDir(o *options) string { return cmp.Or(o.cache, vmimages.DefaultCache()) }

func imageCommand(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "image",
		Short: "build and list the images that hosts run",
		Example: `  fleetfall image build tiny
  fleetfall image ls`,
		Args: cobra.NoArgs, // what is no command of its own is a mistake
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	build := &cobra.Command{
		Use:   "build [NAME]",
		Short: "build an image, unless it is there already",
		Long: `build makes an image from a stock Debian kernel, the guest program and the agents. It needs a C compiler, Go, the
kernel headers and a few of Debian's packages: fleetfall doctor says which. An image is named by a digest of everything
that went into it; building it again is a matter of finding it.

Exit codes: 0 the image is there, 2 the command line is wrong, 3 it could not be built, 130 interrupted (nothing is left).`,
		Example: `  fleetfall image build
  fleetfall image build tiny`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.FixedCompletions(vmimages.Names(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(c *cobra.Command, args []string) error {
			name := "tiny"
			if len(args) == 1 {
				name = args[0]
			}
			if known := vmimages.Names(); !slices.Contains(known, name) {
				return usage(fmt.Errorf("there is no image %q; there is: %s", name, strings.Join(known, ", ")))
			}
			image, err := vmimages.Build(c.Context(), name, vmimages.Options{Cache: cacheDir(o), Log: func(step string) {
				write(c.ErrOrStderr(), "%s\n", step)
			}})
			if err != nil {
				if c.Context().Err() != nil {
					return &exitError{exitInterrupted, err}
				}
				return infra(err)
			}
			write(c.OutOrStdout(), "image %s %s: kernel %s, %.1f MB\n", image.Name, image.Digest, image.KernelRelease, float64(image.Bytes)/1e6)
			return nil
		},
	}
	list := &cobra.Command{
		Use:     "ls",
		Short:   "list the images that are built",
		Example: "  fleetfall image ls",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			images, err := vmimages.List(cacheDir(o))
			if err != nil {
				return infra(err)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			write(w, "NAME\tDIGEST\tKERNEL\tMB\n")
			for _, i := range images {
				write(w, "%s\t%s\t%s\t%.1f\n", i.Name, i.Digest, i.KernelRelease, float64(i.Bytes)/1e6)
			}
			return w.Flush()
		},
	}
	c.AddCommand(build, list)
	return c
}
