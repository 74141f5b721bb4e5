package vm

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/daemontest"
	"github.com/fleetfall/fleetfall/vmimages"
)

func TestFleetConfigErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	good := func() FleetConfig {
		return FleetConfig{
			Images: map[string]vmimages.Image{"tiny": {Kernel: file, Initrd: file, Disk: file}},
			Hosts: []fleet.HostSpec{{
				Name: "web-1", Architecture: "kernel", Image: "tiny", MemoryBytes: 96 << 20,
				Tempo: fleet.Tempo{Beat: time.Second, Poll: time.Second, Work: time.Second, Threat: time.Second},
			}},
		}
	}
	machines := Sites{{Place: &here{}}}
	if err := Check(machines, good()); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*FleetConfig){
		"no hosts":               func(c *FleetConfig) { c.Hosts = nil },
		"first byte -1ns":        func(c *FleetConfig) { c.FirstByte = -1 },
		`is named "far"`:         func(c *FleetConfig) { c.Hosts[0].Node = "far" },
		`name "a/../b"`:          func(c *FleetConfig) { c.Hosts[0].Name = "a/../b" },
		"is taken":               func(c *FleetConfig) { c.Hosts = append(c.Hosts, c.Hosts[0]) },
		`architecture "windows"`: func(c *FleetConfig) { c.Hosts[0].Architecture = "windows" },
		`image "big"`:            func(c *FleetConfig) { c.Hosts[0].Image = "big" },
		"bytes of memory":        func(c *FleetConfig) { c.Hosts[0].MemoryBytes = 1 },
		"every interval":         func(c *FleetConfig) { c.Hosts[0].Tempo.Poll = 0 },
		"no such file":           func(c *FleetConfig) { c.Images["tiny"] = vmimages.Image{Kernel: file, Initrd: file + "x", Disk: file} },
	} {
		c := good()
		change(&c)
		if err := Check(machines, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if os.Getuid() == 0 {
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
		var missing *backend.PrerequisiteError
		if err := Check(Sites{{Place: &here{account: daemontest.Stranger()}}}, good()); !errors.As(err, &missing) {
			t.Errorf("a file that QEMU's user may not read: %v", err)
		}
	}
}

func TestNoMachines(t *testing.T) {
	if err := Check(nil, FleetConfig{}); err == nil || !strings.Contains(err.Error(), "no machines") {
		t.Errorf("error %v", err)
	}
}
