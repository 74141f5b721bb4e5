package main

import (
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

// TestTakePages: pages are taken when they are written to, and are kept. A guest takes no more than the protocol allows,
// whatever it is asked for.
func TestTakePages(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // else memory is given back meanwhile
	for _, test := range []struct{ ask, want int }{{0, 0}, {-1, 0}, {300, 300}, {1 << 40, protocol.MaxLayout}} {
		before := anonymous(t)
		if err := takePages(test.ask); err != nil {
			t.Fatal(err)
		}
		const slack = 100 // pages that the test itself comes to need
		if got := anonymous(t) - before; got < test.want-slack || got > test.want+slack {
			t.Errorf("asked for %d pages, the process has %d more, want %d", test.ask, got, test.want)
		}
	}
}

// anonymous is how many pages of this process are in memory that are no file's.
func anonymous(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^Anonymous:\s+(\d+) kB$`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("no anonymous memory in %s", text)
	}
	kib, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10 / os.Getpagesize()
}
