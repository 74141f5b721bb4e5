package test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/internal/capability"
)

// The interpreter is kernel code: no libc, no floating point, small frames, and nothing undefined but what deps.h
// stands for.
func TestBuildsAsKernelCode(t *testing.T) {
	forEachCompiler(t, func(t *testing.T, compiler string) {
		capability.Tools(t, "nm", "binutils")
		dir := t.TempDir()
		var objects []string
		for _, source := range sources(t) {
			object := filepath.Join(dir, strings.TrimSuffix(filepath.Base(source), ".c")+".o")
			args := slices.Concat(warnings, kernel.flags, []string{"-mcmodel=kernel", "-Wframe-larger-than=1536",
				"-Wno-unused-command-line-argument", // nothing is linked
				"-I", "..", "-I", "harness", "-c", "-o", object, source})
			if out, err := exec.CommandContext(t.Context(), compiler, args...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", source, err, out)
			}
			objects = append(objects, object)
		}
		out, err := exec.CommandContext(t.Context(), "nm", append([]string{"-P"}, objects...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		allowed := []string{"free", "memcmp", "memcpy", "memset", "realloc"} // of harness/deps.h
		defined, wanted := map[string]bool{}, map[string]bool{}
		for line := range strings.Lines(string(out)) {
			name, kind, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch {
			case strings.HasPrefix(kind, "U"):
				wanted[name] = true
			case kind != "" && strings.Contains("BbCDd", kind[:1]):
				t.Errorf("%s is variable data; the interpreter keeps no state", name)
			default:
				defined[name] = true
			}
		}
		for _, name := range allowed {
			delete(wanted, name)
		}
		for name := range wanted {
			if !defined[name] {
				t.Errorf("%s is needed from outside, besides %q", name, allowed)
			}
		}
	})
}
