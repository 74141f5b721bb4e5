package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
)

// The matcher written by hand that make bench measures the interpreter against gives the same verdicts, and so measures the
// same.
func TestByHand(t *testing.T) {
	forEachCompiler(t, func(t *testing.T, compiler string) {
		program := buildBench(t, compiler)
		if out, err := bench(t, program, "compare", content.Baseline(10)); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		for _, way := range []string{"interpreter", "byhand"} {
			if out, err := bench(t, program, way, content.Baseline(10)); err != nil || !strings.HasPrefix(out, "1023 ") {
				t.Errorf("%s: %v: %q, want 3 rounds of 341 evaluations", way, err, out)
			}
		}
		// Of one rule less, and of one whose action is another, the verdicts differ.
		for i := range content.Baseline(10).Instances {
			less, other := content.Baseline(10), content.Baseline(10)
			less.Instances = slices.Delete(less.Instances, i, i+1)
			other.Instances[i].Action = content.Inspect
			for _, f := range []content.File{less, other} {
				if out, err := bench(t, program, "compare", f); err == nil || !strings.Contains(out, "differ") {
					t.Errorf("without rule %d as it was: %v: %q", i+1, err, out)
				}
			}
		}
	})
}

// buildBench compiles the program that make bench runs.
func buildBench(t *testing.T, compiler string) string {
	t.Helper()
	return compile(t, compiler, slices.Concat(warnings, sanitized.flags),
		append(sources(t), "harness/bench.c", "harness/byhand.c")...)
}

// bench runs three rounds and returns what the program said.
func bench(t *testing.T, program, way string, f content.File) (string, error) {
	t.Helper()
	dir := t.TempDir()
	key, _ := content.TestVendorKey()
	file, keyFile := filepath.Join(dir, "content"), filepath.Join(dir, "key")
	for path, data := range map[string][]byte{file: signed(t, f), keyFile: key} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), program, way, file, keyFile, "3").CombinedOutput()
	return string(out), err
}
