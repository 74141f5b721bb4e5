package main

import (
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/internal/capability"
)

// The same text as agents/user gives for the same event.
func TestSensesAsTheUserAgent(t *testing.T) {
	capability.Tools(t, "gcc", "gcc")
	sense := filepath.Join(t.TempDir(), "sense")
	build(t, "gcc", "-Wall", "-Wextra", "-Werror", "-I", "../user", "-I", "../daemon", "-I", "../interpreter", "-o", sense, "testdata/sense.c", "../user/sensor.c")
	c := func(args ...string) []string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), sense, args...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(string(out), "\n")
	}
	compare := func(what string, got inputs, want []string, supplied int) {
		t.Helper()
		for i := range got {
			if hex.EncodeToString([]byte(got[i])) != want[i] {
				t.Errorf("%s: field %d is %q, in C %s", what, i, got[i], want[i])
			}
			if (got[i] == "") != (i >= supplied) && what == "a program" {
				t.Errorf("%s: field %d is %q", what, i, got[i])
			}
		}
	}

	pid, gone := os.Getpid(), 1<<22+1 // more than there can be
	script := filepath.Join(t.TempDir(), "a script (1) of mine\n")
	if err := os.WriteFile(script, []byte("#!\x00"), 0o4750); err != nil {
		t.Fatal(err)
	}
	top := "/.dockerenv" // right in the root directory, if there is one
	if _, err := os.Stat(top); err != nil {
		top = "/"
	}
	for _, row := range []struct {
		what, image string
		pid         int
	}{
		{"a program", os.Args[0], pid}, {"a script", script, pid}, {"by process 1", os.Args[0], 1}, {"by nobody", os.Args[0], gone},
		{"in the root directory", top, pid}, {"of no file system", "/proc/self/ns/mnt", pid},
	} {
		f, err := os.Open(row.image)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		compare(row.what, senseExecution(int(f.Fd()), row.pid), c(row.image, strconv.Itoa(row.pid)), content.SensorFields)
	}
	for _, pid := range []int{pid, 1, gone} {
		got := senseFile(content.Rename, "a\tb", "", pid)
		compare("a file", got, c(content.Rename, "a\tb", "", strconv.Itoa(pid)), len(content.FileFields()))
	}
}

func build(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
