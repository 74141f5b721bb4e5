package libvirt

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/internal/capability"
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
	here := Machines{{}}
	if err := check(here, good()); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*FleetConfig){
		"no hosts":               func(c *FleetConfig) { c.Hosts = nil },
		"max boots":              func(c *FleetConfig) { c.MaxBoots = -1 },
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
		if err := check(here, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if os.Getuid() == 0 {
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
		var missing *backend.PrerequisiteError
		if err := check(Machines{{account: daemontest.Stranger()}}, good()); !errors.As(err, &missing) {
			t.Errorf("a file that QEMU's user may not read: %v", err)
		}
	}
}

func TestNoMachines(t *testing.T) {
	if err := check(nil, FleetConfig{}); err == nil || !strings.Contains(err.Error(), "no machines") {
		t.Errorf("error %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	for _, id := range []string{"", "short", "UPPER1", "with-dash", "a/../../b", "toolongtoolongtoo"} {
		if _, err := Open(t.Context(), Config{RunID: id}); err == nil {
			t.Errorf("run ID %q was accepted", id)
		}
	}
	capability.Tools(t, "qemu-img", "qemu-utils")
	var missing *backend.PrerequisiteError
	_, err := Open(t.Context(), Config{RunID: "abcdef", URI: "qemu:///system?socket=/nonexistent", WorkRoot: shortDir(t)})
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "/nonexistent") {
		t.Errorf("a daemon that is not there: %v", err)
	}
	if _, err := Open(t.Context(), Config{RunID: "abcdef", URI: "xen:///", WorkRoot: shortDir(t)}); err == nil {
		t.Error("another hypervisor was accepted")
	}
	long := Config{RunID: "abcdef", URI: "qemu:///system", WorkRoot: filepath.Join(t.TempDir(), strings.Repeat("x", 100))}
	if _, err := Open(t.Context(), long); err == nil || !strings.Contains(err.Error(), "shorter work root") {
		t.Errorf("a work root too long for sockets: %v", err)
	}
}

// shortDir is a directory with a path short enough for sockets below it.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "fft-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
