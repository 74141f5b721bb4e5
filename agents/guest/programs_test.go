package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

func TestProgramsEndWell(t *testing.T) {
	dir := t.TempDir()
	buildPrograms(t, dir)
	for _, name := range []string{"work", "service", "threat-exec", "threat-mark"} {
		if took, err := execute(filepath.Join(dir, name)); err != nil || took <= 0 {
			t.Errorf("%s: %v after %s", name, err, took)
		}
	}
}

func TestExecuteFailures(t *testing.T) {
	if _, err := execute(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
	fails, err := exec.LookPath("false")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := execute(fails); err == nil {
		t.Error("no error for a program that fails")
	}
}

// An execution that hangs is noted while it hangs, and not once more when it ends.
func TestExecuteWatchedNotesAHang(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	command(t, "mkfifo", fifo)
	script := filepath.Join(t.TempDir(), "hangs")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nread line < "+fifo+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var hangs, ends int
	executeWatched(script, 20*time.Millisecond, func(took time.Duration, err error) {
		if !errors.Is(err, errHangs) {
			ends++
			return
		}
		if hangs++; hangs == 2 {
			if err := os.WriteFile(fifo, []byte("go on\n"), 0); err != nil {
				t.Error(err)
			}
		}
	})
	if hangs < 2 || ends > 0 {
		t.Errorf("noted %d times while it hung and %d times at its end, want at least 2 and none", hangs, ends)
	}
}

// Without an agent a threat is neither blocked nor reported, and leaves no file behind.
func TestThreatsWithoutAgent(t *testing.T) {
	dir := t.TempDir()
	buildPrograms(t, dir)
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	tally, log := newTally(), newLogger(t.Output())
	x := &threats{dir: dir, agent: newAgent(tally, log), tally: tally, log: log}
	x.one(t.Context())
	x.one(t.Context())
	beat, _ := tally.take()
	want := []protocol.Threat{{ID: 1, What: "exec"}, {ID: 2, What: "mark"}}
	if len(beat.Threats) != 2 || beat.Threats[0] != want[0] || beat.Threats[1] != want[1] {
		t.Errorf("threats %+v, want %+v", beat.Threats, want)
	}
	if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
		t.Errorf("%d files became %d, %v", len(before), len(after), err)
	}
}
