package main

import (
	"github.com/fleetfall/fleetfall/agents/architecture"
	"github.com/fleetfall/fleetfall/agents/content"
)

// Parts are what a boot starts of an agent. What it has not, is empty.
type parts struct {
	needs      []fileSystem // to be mounted before its parts start
	module     string       // kernel module that starts with the boot
	parameters string       // of the module
	device     string       // over which the module speaks to us; a module without one speaks to its daemon alone
	daemon     []string     // command that runs under the supervisor
}

// A fileSystem is one of the kernel's own, and where it belongs.
type fileSystem struct{ kind, dir string }

// partsOf returns the parts of the agent of each architecture.
func partsOf() map[string]parts {
	const newest = dataDir + "/" + content.ChannelPath
	watched := []string{"/", dataDir, "/run"} // the mounts that hold programs and what the threats do files to
	return map[string]parts{
		architecture.None:   {},
		architecture.Kernel: {module: "/agent/kernel.ko", parameters: "content=" + newest, device: "/dev/fleetfall-agent"},
		architecture.User:   {daemon: append([]string{"/agent/user", newest}, watched...)},
		architecture.Hybrid: {module: "/agent/hybrid.ko", daemon: []string{"/agent/hybrid", newest}},
		architecture.Ebpf: {
			needs:  []fileSystem{{"bpf", "/sys/fs/bpf"}, {"securityfs", "/sys/kernel/security"}, {"tracefs", "/sys/kernel/tracing"}},
			daemon: []string{"/agent/ebpf", newest},
		},
		architecture.Safe: {daemon: append([]string{"/agent/safe", newest}, watched...)},
	}
}
