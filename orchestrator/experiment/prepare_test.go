package experiment

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/scenarios"
	"github.com/fleetfall/fleetfall/vmimages"
)

// Hosts that the image's kernel cannot run are refused before anything is made.
func TestPrepareRefusesWhatTheKernelCannotRun(t *testing.T) {
	image := vmimages.Image{Lock: vmimages.Lock{
		Name: "tiny", KernelRelease: "6.1.0-x", KernelConfig: map[string]string{"CONFIG_B": "n"},
		Needs: map[string]map[string]string{"ebpf": {"CONFIG_B": "BTF"}},
	}}
	plan := planOf(
		scenarios.Fleet{Name: "old", Architecture: "kernel", Image: "tiny", Hosts: 1, Memory: mib},
		scenarios.Fleet{Name: "new", Architecture: "ebpf", Image: "tiny", Hosts: 1, Memory: mib},
	)
	plan.Scenario = "mine"
	dir := filepath.Join(t.TempDir(), "results")
	r := &run{Config: Config{Plan: plan, Results: dir, Backends: Backends(), Step: func(string) {}}, images: map[string]vmimages.Image{"tiny": image}}
	err := r.prepare(t.Context())
	for _, words := range []string{
		`scenario mine: fleet "new": `, `architecture "ebpf"`, `lacks BTF (CONFIG_B is "n")`, "another architecture or image", "`fleetfall image build tiny`",
	} {
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v does not say %q", err, words)
		}
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("results were begun: %v", err)
	}
}

func TestCloseTime(t *testing.T) {
	r := &run{driver: backend.Driver{DumpTime: time.Hour}}
	hosts := []fleet.HostSpec{{}, {CrashDump: true}, {CrashDump: true}}
	if got := r.closeTime(hosts); got != closeWithin+2*time.Hour {
		t.Errorf("%v", got)
	}
	if got := r.closeTime(hosts[:1]); got != closeWithin {
		t.Errorf("%v without a dump", got)
	}
}
