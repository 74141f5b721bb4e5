package libvirt

import (
	"github.com/fleetfall/fleetfall/internal/tool"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
)

// needTools looks for the programs that this package runs.
func needTools(private, remote bool) error {
	var tools []struct{ name, pkg string }
	if !remote {
		tools = append(tools, struct{ name, pkg string }{"qemu-img", "qemu-utils"})
	}
	if private {
		tools = append(tools, struct{ name, pkg string }{"libvirtd", "libvirt-daemon-system"},
			struct{ name, pkg string }{"qemu-system-x86_64", "qemu-system-x86"})
	}
	for _, t := range tools {
		if _, err := tool.Find(t.name); err != nil {
			return &backend.PrerequisiteError{What: t.name + " is not installed", How: "apt-get install " + t.pkg, Err: err}
		}
	}
	return nil
}
