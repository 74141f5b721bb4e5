package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/internal/tool"
	"github.com/fleetfall/fleetfall/vmimages"
)

// A prerequisite is one thing that the machine must have, or had better.
type prerequisite struct {
	name   string
	why    string
	how    string
	wanted bool // good to have; not needed
	find   func() (string, error)
}

func doctorCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "check each prerequisite: found, or how to get it",
		Long: `doctor checks what a run needs of this machine: each prerequisite is found, or it says how to get it.

Exit codes: 0 all that is needed is there, 3 something is missing.`,
		Example: "  fleetfall doctor",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			missing := 0
			for _, p := range prerequisites(cacheDir(o)) {
				found, err := p.find()
				switch {
				case err == nil:
					write(c.OutOrStdout(), "ok       %-22s %s\n", p.name, found)
				case p.wanted:
					write(c.OutOrStdout(), "note     %-22s %v; %s\n", p.name, err, p.how)
				default:
					missing++
					write(c.OutOrStdout(), "MISSING  %-22s %v (%s); %s\n", p.name, err, p.why, p.how)
				}
			}
			if missing > 0 {
				return infra(fmt.Errorf("%d prerequisites are missing", missing))
			}
			return nil
		},
	}
}

func prerequisites(cache string) []prerequisite {
	var all []prerequisite
	for _, p := range tool.Needed() {
		all = append(all, prerequisite{name: p.Name, why: p.Why, how: p.How, find: p.Find})
	}
	return append(all, []prerequisite{
		{
			name: "/dev/kvm", wanted: true, how: "without it hosts run on emulated CPUs, which is slower and works as well",
			find: func() (string, error) {
				f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
				if err != nil {
					return "", err
				}
				if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o006 == 0 && info.Mode().Perm()&0o060 != 0o060 {
					// libvirt sees it, QEMU's user may not open it: a system daemon then asks QEMU anew at every call.
					return "", errors.Join(errors.New("its group may not use it, which makes a system libvirtd very slow: chgrp kvm /dev/kvm && chmod 660 /dev/kvm"), f.Close())
				}
				return "there; whether it can run a kernel is probed by a boot when a scenario is run", f.Close()
			},
		},
		{
			name: "image tiny", wanted: true, how: "fleetfall run builds it, or: fleetfall image build",
			find: func() (string, error) {
				image, err := vmimages.Find(cache, "tiny")
				return image.Digest + " with kernel " + image.KernelRelease, err
			},
		},
		{
			name: "leftovers", wanted: true, how: "fleetfall gc removes them",
			find: func() (string, error) {
				left, err := leftovers(cache)
				if err == nil && len(left) > 0 {
					err = fmt.Errorf("killed runs and image builds left something, in %d places", len(left))
				}
				return "none of killed runs and image builds", err
			},
		},
	}...)
}
