package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

func TestVitals(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("meminfo", "MemTotal:  90000 kB\nMemAvailable:   1000 kB\n")
	write("vmstat", "pgfault 7\noom_kill 2\ndrop_slab 0\n")
	write("schedstat", "version 15\ntimestamp 1\ncpu0 0 0 1 2 3 4 5 600 7\ndomain0 1 2 3 4 5 6 7 8 9\ncpu1 0 0 1 2 3 4 5 60 7\n")
	var console strings.Builder
	v := newVitals(dir, newLogger(&console))
	take := func() (b protocol.Beat) {
		v.take(&b)
		return b
	}
	if b := take(); b.Available != 1000<<10 || b.Killed != 0 || b.RunDelay != 0 {
		t.Errorf("at first: %+v", b)
	}
	write("vmstat", "oom_kill 5\n")
	write("schedstat", "cpu0 0 0 1 2 3 4 5 1000 7\ncpu1 0 0 1 2 3 4 5 70 7\n")
	if b := take(); b.Killed != 3 || b.RunDelay != 410 {
		t.Errorf("killed %d, delay %d; want 3, 410", b.Killed, b.RunDelay)
	}
	if b := take(); b.Killed != 0 || b.RunDelay != 0 {
		t.Errorf("told twice: %+v", b)
	}
	for _, before := range []int{0, 3, 100, 50, 8, 0} { // lines: numbers are where they were not the last time
		write("vmstat", strings.Repeat("pgfault 12345678\n", before)+"oom_kill 6\n"+strings.Repeat("after 1\n", before))
		write("meminfo", strings.Repeat("Before: 1 kB\n", before)+"MemAvailable: 7 kB\n")
		if b := take(); b.Available != 7<<10 || v.killed != 6 {
			t.Errorf("after %d lines: %d bytes are available, %d were killed; want %d, 6", before, b.Available, v.killed, 7<<10)
		}
	}
	if console.Len() > 0 {
		t.Errorf("logged: %s", &console)
	}
	write("schedstat", "cpu0 0 0\n")
	for range 2 {
		if b := take(); b.RunDelay != 0 {
			t.Errorf("delay %d without one", b.RunDelay)
		}
	}
	if n := strings.Count(console.String(), "\n"); n != 1 {
		t.Errorf("%d lines are logged, want one:\n%s", n, &console)
	}
}

func TestVitalsOfAMachineWithoutThem(t *testing.T) {
	var console strings.Builder
	v := newVitals(t.TempDir(), newLogger(&console))
	var b protocol.Beat
	v.take(&b)
	v.take(&b)
	if n := strings.Count(console.String(), "\n"); n != 3 || b.Available != 0 || b.Killed != 0 || b.RunDelay != 0 {
		t.Errorf("%+v, and %d lines are logged, want one for each of three files:\n%s", b, n, &console)
	}
}

// The kernel under the tests says of itself what the files of the test above do.
func TestVitalsOfThisKernel(t *testing.T) {
	var console strings.Builder
	v := newVitals("/proc", newLogger(&console))
	var b protocol.Beat
	if v.take(&b); b.Available <= 0 || strings.Contains(console.String(), "meminfo") {
		t.Errorf("%d bytes are available; logged: %s", b.Available, &console)
	}
}
