package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/internal/capability"
)

// These build the C parts as an image's build does, with warnings as errors.

// sources returns the files of the agents' folders that match the patterns.
func sources(t testing.TB, patterns ...string) []string {
	t.Helper()
	var files []string
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join("..", p))
		if err != nil || len(found) == 0 {
			t.Fatalf("no files match %s (%v)", p, err)
		}
		files = append(files, found...)
	}
	return files
}

func command(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// writeVendorKey writes vendor_key.h with the test vendor's key into dir.
func writeVendorKey(t testing.TB, dir string) {
	t.Helper()
	public, _ := content.TestVendorKey()
	var b strings.Builder
	b.WriteString("#define FF_VENDOR_KEY {")
	for _, octet := range public {
		fmt.Fprintf(&b, " 0x%02x,", octet)
	}
	b.WriteString(" }\n")
	if err := os.WriteFile(filepath.Join(dir, "vendor_key.h"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// buildUserAgent builds the user agent and returns its path.
func buildUserAgent(t testing.TB) string {
	t.Helper()
	capability.Tools(t, "gcc", "gcc")
	dir := t.TempDir()
	writeVendorKey(t, dir)
	program := filepath.Join(dir, "user")
	args := []string{"-O2", "-static", "-Wall", "-Wextra", "-Werror", "-I", dir, "-I", "../user", "-I", "../daemon", "-I", "../interpreter", "-o", program}
	command(t, "gcc", append(args, sources(t, "user/*.c", "daemon/*.c", "interpreter/*.c")...)...)
	return program
}

// buildPrograms builds the programs of the image into dir.
func buildPrograms(t testing.TB, dir string) {
	t.Helper()
	capability.Tools(t, "gcc", "gcc")
	for _, source := range sources(t, "guest/programs/*.c") {
		program := filepath.Join(dir, strings.TrimSuffix(filepath.Base(source), ".c"))
		command(t, "gcc", "-Wall", "-Wextra", "-Werror", "-nostdlib", "-static", "-Os", "-o", program, source)
	}
}

func TestKernelModulesBuild(t *testing.T) {
	capability.Tools(t, "make", "make", "gcc", "gcc")
	headers, err := filepath.Glob("/usr/src/linux-headers-*-amd64")
	capability.Need(t, err == nil && len(headers) > 0, "kernel headers", "apt-get install linux-headers-cloud-amd64")
	for module, patterns := range map[string][]string{
		"agentk.ko": {"kernel/*", "sensor/*", "interpreter/*.[ch]"},
		"hybrid.ko": {"hybrid/module/*", "hybrid/device.h", "sensor/*", "interpreter/interpreter.h"},
	} {
		t.Run(module, func(t *testing.T) {
			dir := t.TempDir()
			writeVendorKey(t, dir)
			for _, file := range sources(t, patterns...) {
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			command(t, "make", "-C", headers[len(headers)-1], "M="+dir, "KCFLAGS=-Werror", "modules")
			if _, err := os.Stat(filepath.Join(dir, module)); err != nil {
				t.Error(err)
			}
		})
	}
}
