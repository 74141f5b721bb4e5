package libvirt

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
)

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
