package test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/content/contenttest"
	"github.com/fleetfall/fleetfall/internal/capability"
)

var fuzzTime = flag.Duration("interpreter-fuzz", 15*time.Second, "how long each of the searches of the C interpreter's fuzz target lasts")

var fuzzFlags = []string{"-O1", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"}

// With all checks a search finds nothing, from the table's content on.
func TestFuzzWithAllChecks(t *testing.T) {
	program := buildFuzzer(t)
	corpus := t.TempDir()
	for i, c := range contenttest.Cases() {
		writeSeed(t, corpus, fmt.Sprintf("case-%03d", i), signed(t, c.File))
	}
	for seed := range uint64(100) {
		writeSeed(t, corpus, fmt.Sprintf("random-%03d", seed), signed(t, contenttest.Random(seed).File))
	}
	crashes := t.TempDir() + string(filepath.Separator)
	out, err := fuzzer(t, program, allChecks, "-seed=291", "-max_len=4096", "-timeout=60",
		fmt.Sprintf("-max_total_time=%d", int(fuzzTime.Seconds())), "-artifact_prefix="+crashes, corpus).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
		for _, path := range files(t, crashes) {
			t.Logf("%s: %x", filepath.Base(path), read(t, path))
		}
	}
	t.Log(lastLine(out))
}

// Without checks the same search finds by itself what the vendor of July 2024 did not: from content in which the fields
// that sensors do not supply have wildcards alone, it comes to a rule that looks at one. What a crash is due to is told
// by which check alone removes it.
func TestFuzzWithoutChecks(t *testing.T) {
	program := buildFuzzer(t)
	found := map[string]int{}
	for round := 1; found["bounds"] == 0; round++ {
		if round > searches {
			t.Fatalf("after %d searches there is no crash that the check of bounds alone removes: the defect of field count was not found; "+
				"crashes by the check that removes them: %v", searches, found)
		}
		// Each begins anew: what a search before has kept is mostly on the way to other crashes, to which it then comes
		// again.
		corpus := t.TempDir()
		for i, c := range contenttest.Cases() {
			if !looksBehindInputs(c.File) {
				writeSeed(t, corpus, fmt.Sprintf("case-%03d", i), signed(t, c.File))
			}
		}
		for _, path := range search(t, program, round, corpus) {
			found[dueTo(t, program, path)]++
		}
		t.Logf("search %d: crashes by the check that removes them: %v", round, found)
	}
}

// searches is how many searches without checks there are at most: a machine may be slow.
const searches = 30

// search looks for crashes without checks, and returns what it has found.
func search(t *testing.T, program string, seed int, corpus string) []string {
	t.Helper()
	crashes := t.TempDir() + string(filepath.Separator)
	_, err := fuzzer(t, program, 0, fmt.Sprintf("-seed=%d", seed), "-max_len=4096", "-timeout=10", "-fork=1", "-ignore_crashes=1", "-ignore_timeouts=1",
		"-ignore_ooms=1", fmt.Sprintf("-max_total_time=%d", int(fuzzTime.Seconds())), "-artifact_prefix="+crashes, corpus).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) { // it exits with an error when it has found one
		t.Fatal(err)
	}
	return slices.DeleteFunc(files(t, crashes), func(path string) bool { return !strings.HasPrefix(filepath.Base(path), "crash-") })
}

// looksBehindInputs tells whether some rule of the content looks at a field that no sensor supplies.
func looksBehindInputs(f content.File) bool {
	for _, in := range f.Instances {
		for _, c := range in.Criteria[min(content.SensorFields, len(in.Criteria)):] {
			if c.Op != content.Any {
				return true
			}
		}
	}
	return false
}

// dueTo names the checks each of which keeps the input from crashing the interpreter by itself, with "or" between them:
// a crash is due to what one check is against only if no other removes it. It is empty when it takes more than one
// check.
func dueTo(t *testing.T, program, path string) string {
	t.Helper()
	var removing []string
	for i, name := range []string{"bounds", "format", "effort"} {
		if fuzzer(t, program, 1<<i, "-timeout=10", path).Run() == nil {
			removing = append(removing, name)
		}
	}
	return strings.Join(removing, " or ")
}

func TestDueTo(t *testing.T) {
	program := buildFuzzer(t)
	file := update(t, "field_count", 1)
	_, key := content.TestVendorKey()
	padded := content.Sign(append(bytes.Clone(file[:len(file)-ed25519.SignatureSize]), 0), key)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{"field count": {file, "bounds"}, "field count and padding": {padded, "bounds or format"}} {
		dir := t.TempDir()
		writeSeed(t, dir, "input", c.file)
		if got := dueTo(t, program, filepath.Join(dir, "input")); got != c.want {
			t.Errorf("%s: due to %q, want %q", name, got, c.want)
		}
	}
}

func buildFuzzer(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("a search takes from a quarter of a minute to some minutes")
	}
	capability.Tools(t, "clang", "clang")
	capability.Need(t, hasFuzzer(t), "clang's fuzzer runtime", "apt-get install libclang-rt-14-dev")
	files := []string{"harness/fuzz.c"}
	for _, source := range sources(t) {
		if base := filepath.Base(source); base != "ed25519.c" && base != "sha512.c" {
			files = append(files, source)
		}
	}
	return compile(t, "clang", append(slices.Clone(warnings), fuzzFlags...), files...)
}

// fuzzer is a run of the fuzz target, in a folder of its own, with these of the interpreter's checks.
func fuzzer(t *testing.T, program string, checks int, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), fmt.Sprintf("FF_CHECKS=%d", checks))
	return cmd
}

func writeSeed(t *testing.T, dir, name string, file []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), file, 0o600); err != nil {
		t.Fatal(err)
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// hasFuzzer tells whether clang can link a fuzz target.
func hasFuzzer(t *testing.T) bool {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "empty.c")
	const empty = "int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { (void)d, (void)n; return 0; }\n"
	if err := os.WriteFile(source, []byte(empty), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{source, "-o", filepath.Join(dir, "empty")}, fuzzFlags...)
	return exec.CommandContext(t.Context(), "clang", args...).Run() == nil
}
