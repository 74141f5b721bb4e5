package libvirt

import (
	"context"
	"fmt"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// Facts is what a run's provenance tells of the hypervisor.
type Facts struct {
	Node        string      `json:"node,omitempty"` // name of the machine; empty for the only one
	URI         string      `json:"uri"`
	Private     bool        `json:"private"` // the daemon was started by this run
	Account     string      `json:"account"` // whom QEMU runs as, for people
	Libvirt     string      `json:"libvirt"` // version
	QEMU        string      `json:"qemu"`    // version
	Kernel      string      `json:"kernel"`  // release of the machine's own kernel
	CPU         string      `json:"cpu"`     // model name
	Accelerator Accelerator `json:"accelerator"`
	CommandLine []string    `json:"command_line,omitempty"` // of the first QEMU that ran
}

// learn asks a daemon, and sees, what there is to know of the machine, and how many CPUs it has.
func learn(ctx context.Context, line *connect.Lifeline, seen vm.MachineFacts) (f Facts, cpus int, err error) {
	var library, hypervisor uint64
	// The first question of all: a daemon that has just started asks QEMU itself what it can do before it answers.
	err = line.Call(ctx, "ask for versions", connect.CreateTime, func(l *golibvirt.Libvirt) (err error) {
		if library, err = l.ConnectGetLibVersion(); err == nil {
			hypervisor, err = l.ConnectGetVersion()
		}
		if err == nil {
			var n int32
			_, _, n, _, _, _, _, _, err = l.NodeGetInfo()
			cpus = max(1, int(n))
		}
		return err
	})
	return Facts{
		Account: seen.Account, Libvirt: version(library), QEMU: version(hypervisor), Kernel: seen.Kernel, CPU: seen.CPU,
		Accelerator: Accelerator{Name: TCG, Reason: "not probed"},
	}, cpus, err
}

// version writes libvirt's number for a version, major*1,000,000 + minor*1,000 + release, as text.
func version(n uint64) string { return fmt.Sprintf("%d.%d.%d", n/1e6, n/1e3%1e3, n%1e3) }
