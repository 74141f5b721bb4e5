package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/internal/tool"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt"
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
		Use:     "doctor",
		Short:   "check each prerequisite: found, or how to get it",
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
	program := func(name, pkg, why string) prerequisite {
		return prerequisite{name: name, why: why, how: "apt-get install " + pkg, find: func() (string, error) {
			path, err := tool.Find(name)
			if err != nil {
				err = errors.New("not installed")
			}
			return path, err
		}}
	}
	return []prerequisite{
		program("qemu-system-x86_64", "qemu-system-x86", "runs the hosts"),
		program("qemu-img", "qemu-utils", "makes the hosts' disks"),
		program("libvirtd", "libvirt-daemon-system", "manages the hosts"),
		program("go", "golang-go, or Go's own release", "builds the guest program and the eBPF agent"),
		program("gcc", "gcc", "builds the agents"),
		program("make", "make", "builds the kernel agent"),
		program("clang", "clang", "builds the eBPF agent's programs"),
		{
			name: "libbpf's headers", why: "the eBPF agent's programs include them", how: "apt-get install libbpf-dev",
			find: func() (string, error) {
				const header = "/usr/include/bpf/bpf_helpers.h"
				_, err := os.Stat(header)
				return header, err
			},
		},
		program("mke2fs", "e2fsprogs", "makes the image's disk"),
		program("dpkg-deb", "dpkg", "unpacks the image's kernel"),
		program("apt-get", "apt", "downloads the image's kernel"),
		{
			name: "kernel headers", why: "the kernel agent is built against them", how: "apt-get install linux-headers-cloud-amd64",
			find: func() (string, error) {
				found, err := filepath.Glob("/usr/src/linux-headers-*-cloud-amd64")
				if err == nil && len(found) == 0 {
					err = errors.New("no linux-headers-*-cloud-amd64")
				}
				if err != nil {
					return "", err
				}
				return found[len(found)-1], nil
			},
		},
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
				left, err := libvirt.Leftovers("")
				if err == nil && len(left) > 0 {
					err = fmt.Errorf("%d killed runs left something", len(left))
				}
				return "none of killed runs", err
			},
		},
	}
}
