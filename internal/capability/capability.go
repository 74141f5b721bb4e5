// Package capability lets a test say what it needs of the machine: where that is missing the test is skipped with the
// reason, and where the environment promises it (FLEETFALL_PROMISED=all, as make test and CI set it) the test fails.
package capability

import (
	"os"
	"testing"

	"github.com/fleetfall/fleetfall/internal/tool"
)

// Need skips or fails t unless met, naming what is missing and how to get it.
func Need(t testing.TB, met bool, what, how string) {
	t.Helper()
	switch {
	case met:
	case os.Getenv("FLEETFALL_PROMISED") == "all":
		t.Fatalf("%s is promised here and missing; %s", what, how)
	default:
		t.Skipf("%s is missing; %s", what, how)
	}
}

// Tools needs programs on the PATH, each given as its name and the Debian package that brings it.
func Tools(t testing.TB, nameAndPackage ...string) {
	t.Helper()
	for i := 0; i+1 < len(nameAndPackage); i += 2 {
		_, err := tool.Find(nameAndPackage[i])
		Need(t, err == nil, nameAndPackage[i], "apt-get install "+nameAndPackage[i+1])
	}
}

// VMs needs what it takes to build an image and boot it, and skips t in short mode. It waits for a slot: see slots.go.
func VMs(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("boots VMs; not in short mode")
	}
	for _, p := range tool.Needed() {
		_, err := p.Find()
		Need(t, err == nil, p.Name, p.How)
	}
	takeSlot(t)
}
