package main

import (
	"maps"
	"slices"
)

const noArchitecture = "none"

// An architecture is what a boot starts of an agent. What it has not, is empty.
type architecture struct {
	needs      []fileSystem // to be mounted before its parts start
	module     string       // kernel module that starts with the boot
	parameters string       // of the module
	device     string       // over which the module speaks to us; a module without one speaks to its daemon alone
	daemon     []string     // command that runs under the supervisor
}

// A fileSystem is one of the kernel's own, and where it belongs.
type fileSystem struct{ kind, dir string }

// architectures returns what there is, by the name on the kernel command line.
func architectures() map[string]architecture {
	const newest = contentDir + "/" + currentName
	watched := []string{"/", "/data", "/run"} // the mounts that hold programs and what the threats do files to
	return map[string]architecture{
		noArchitecture: {},
		"kernel":       {module: "/agent/kernel.ko", parameters: "content=" + newest, device: "/dev/fleetfall-agent"},
		"user":         {daemon: append([]string{"/agent/user", newest}, watched...)},
		"hybrid":       {module: "/agent/hybrid.ko", daemon: []string{"/agent/hybrid", newest}},
		"ebpf": {
			needs:  []fileSystem{{"bpf", "/sys/fs/bpf"}, {"securityfs", "/sys/kernel/security"}, {"tracefs", "/sys/kernel/tracing"}},
			daemon: []string{"/agent/ebpf", newest},
		},
		"safe": {daemon: append([]string{"/agent/safe", newest}, watched...)},
	}
}

func architectureNames() []string { return slices.Sorted(maps.Keys(architectures())) }
