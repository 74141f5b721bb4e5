package libvirt

import (
	"context"
	"fmt"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
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

func (h *Hypervisor) learnFacts(ctx context.Context) error {
	var library, hypervisor uint64
	var cpus int32
	// The first question of all: a daemon that has just started asks QEMU itself what it can do before it answers.
	err := h.site.line.Call(ctx, "ask for versions", connect.CreateTime, func(l *golibvirt.Libvirt) (err error) {
		if library, err = l.ConnectGetLibVersion(); err == nil {
			hypervisor, err = l.ConnectGetVersion()
		}
		if err == nil {
			_, _, cpus, _, _, _, _, _, err = l.NodeGetInfo()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("open hypervisor: %w", err)
	}
	h.site.cpus = max(1, int(cpus))
	uri := h.cfg.URI
	if h.daemon != nil {
		uri = h.daemon.URI()
	}
	seen := h.site.place.facts()
	h.facts = Facts{
		Node: h.cfg.Node, URI: uri, Account: seen.account, Private: h.daemon != nil, Libvirt: version(library), QEMU: version(hypervisor),
		Kernel: seen.kernel, CPU: seen.cpu,
		Accelerator: Accelerator{Name: TCG, Reason: "not probed"},
	}
	return nil
}

// version writes libvirt's number for a version, major*1,000,000 + minor*1,000 + release, as text.
func version(n uint64) string { return fmt.Sprintf("%d.%d.%d", n/1e6, n/1e3%1e3, n%1e3) }

// Facts tells what the VMs run on.
func (h *Hypervisor) Facts() Facts {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.facts
	f.CommandLine = h.site.ran()
	return f
}
