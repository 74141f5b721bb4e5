package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgramsEndAsTheyShould(t *testing.T) {
	dir := t.TempDir()
	buildPrograms(t, dir)
	for name, text := range map[string]string{"harmless": "\x7fELF", "evil": "EVIL, it says", "short": "EVI", "script": "exit 7, not 8\n", "empty": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		command []string
		status  int
	}{
		{[]string{"work"}, 0},
		{[]string{"service"}, 0},
		{[]string{"threat-exec"}, 0},
		{[]string{"threat-mark"}, 0},
		{[]string{"threat-short"}, 0},
		{[]string{"interp", "script"}, 7},
		{[]string{"interp", "harmless"}, 0},
		{[]string{"interp", "missing"}, 127},
		{[]string{"interp"}, 127},
		{[]string{"inspect", "harmless"}, 0},
		{[]string{"inspect", "empty"}, 0},
		{[]string{"inspect", "short"}, 0},
		{[]string{"inspect", "evil"}, 1},
		{[]string{"inspect", "missing"}, 1},
		{[]string{"load", "nothing"}, 2},
		{[]string{"load"}, 2},
	} {
		command := []string{filepath.Join(dir, c.command[0])}
		for _, file := range c.command[1:] {
			command = append(command, filepath.Join(dir, file))
		}
		if c.command[0] == "load" {
			command = append(command[:1], c.command[1:]...)
		}
		state, err := start(nil, command...)
		if err != nil || state.ExitCode() != c.status {
			t.Errorf("%q ends with %v, %v; want exit status %d", c.command, state, err, c.status)
		}
	}
}

func TestExecuteFailures(t *testing.T) {
	if err := execute(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
	fails, err := exec.LookPath("false")
	if err != nil {
		t.Fatal(err)
	}
	if err := execute(fails); err == nil {
		t.Error("no error for a program that fails")
	}
}

// An act that hangs is noted while it hangs, and not once more when it ends.
func TestWatchNotesAHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := make(chan struct{})
		hangs, others := 0, 0
		begun := time.Now()
		watch(time.Second, func() error { <-ends; return errors.New("too late") }, func(took time.Duration, err error) {
			if !errors.Is(err, errHangs) {
				others++
				return
			}
			if hangs++; hangs == 2 {
				close(ends)
			}
		})
		if hangs != 2 || others > 0 || time.Since(begun) != 2*time.Second {
			t.Errorf("noted %d times while it hung and %d times at its end, %s after; want 2, none, 2s", hangs, others, time.Since(begun))
		}
	})
}

func TestWatchNotesWhatActsComeTo(t *testing.T) {
	for name, c := range map[string]struct {
		act  func() error
		want string
	}{
		"well":  {func() error { return nil }, "<nil>"},
		"error": {func() error { return errors.New("why") }, "why"},
		"panic": {func() error { panic("no more") }, "panic: no more"},
	} {
		notes := 0
		watch(time.Minute, c.act, func(took time.Duration, err error) {
			if notes++; fmt.Sprint(err) != c.want || took <= 0 {
				t.Errorf("%s: %v after %s, want %s", name, err, took, c.want)
			}
		})
		if notes != 1 {
			t.Errorf("%s: noted %d times", name, notes)
		}
	}
}
