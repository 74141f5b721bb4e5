package tool

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "go")
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho go1.19.8\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	for _, c := range []struct {
		p    Prerequisite
		want string // of the error; "" for none
	}{
		{Prerequisite{Name: "sh"}, ""},
		{Prerequisite{Name: "no-such-program"}, "not installed"},
		{Prerequisite{Name: "go", least: leastGo}, "go1.19.8"},
		{Prerequisite{Name: "go", least: "1.19"}, ""},
		{Prerequisite{Name: "files", files: dir + "/g*"}, ""},
		{Prerequisite{Name: "files", files: dir + "/h*"}, "no " + dir + "/h*"},
	} {
		found, err := c.p.Find()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || err == nil && found == "" {
			t.Errorf("%+v: %q, %v", c.p, found, err)
		}
	}
}

// The least version is what go.mod says.
func TestLeastGo(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "\ngo "+leastGo) {
		t.Errorf("go.mod does not ask for go %s", leastGo)
	}
}

// What make installs is what a run needs.
func TestMakeInstallsThem(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, packages, _ := strings.Cut(string(makefile), "RUN_PACKAGES  := ")
	packages, _, _ = strings.Cut(packages, "\n")
	for _, p := range Needed() {
		name, ok := strings.CutPrefix(p.How, "apt-get install ")
		if ok && name != "apt" && name != "dpkg" && !slices.Contains(strings.Fields(packages), name) {
			t.Errorf("%s needs %s, and RUN_PACKAGES is %s", p.Name, name, packages)
		}
	}
}
