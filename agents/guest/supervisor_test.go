package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestNextBackOff(t *testing.T) {
	const s = time.Second
	for _, c := range []struct{ last, up, want time.Duration }{
		{0, 0, s},
		{1 * s, 0, 2 * s},
		{2 * s, 119 * s, 4 * s},
		{32 * s, 0, 60 * s},
		{60 * s, 0, 60 * s},
		{60 * s, 120 * s, s},
	} {
		if got := nextBackOff(c.last, c.up); got != c.want {
			t.Errorf("after a wait of %s and %s up: %s, want %s", c.last, c.up, got, c.want)
		}
	}
}

func TestClocks(t *testing.T) {
	tsc, up := rdtsc(), uptime()
	if tsc2, up2 := rdtsc(), uptime(); tsc == 0 || tsc2 <= tsc || up <= 0 || up2 < up {
		t.Errorf("TSC %d then %d, uptime %s then %s", tsc, tsc2, up, up2)
	}
}

// What an agent has started ends with it, and is waited for.
func TestAgentsChildrenEndWithIt(t *testing.T) {
	const setChildSubreaper = 36 // PR_SET_CHILD_SUBREAPER: orphans become this process's, as they become the first one's
	if _, _, errno := syscall.Syscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		t.Fatal(errno)
	}
	defer syscall.Syscall(syscall.SYS_PRCTL, setChildSubreaper, 0, 0)
	dir := t.TempDir()
	script := filepath.Join(dir, "agent")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nsleep 1000 &\necho $! > "+dir+"/child\nkill -SEGV $$\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	log := newLogger(t.Output())
	exit, err := runAgent(newAgent(newTally(), log), []string{script}, log)
	if err != nil || exit.Signal != int(syscall.SIGSEGV) {
		t.Errorf("%+v, %v", exit, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "child"))
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for syscall.Kill(child, 0) == nil { // also of one that has ended and was not waited for
		runtime.Gosched()
	}
}
