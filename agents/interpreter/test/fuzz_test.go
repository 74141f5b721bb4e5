package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/content/contenttest"
	"github.com/fleetfall/fleetfall/internal/capability"
)

var fuzzFlags = []string{"-O1", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"}

// A bounded number of runs of harness/fuzz.c, from the table's content on. For a longer search build it as here and run
// it by hand.
func TestFuzzTarget(t *testing.T) {
	capability.Tools(t, "clang", "clang")
	capability.Need(t, hasFuzzer(t), "clang's fuzzer runtime", "apt-get install libclang-rt-14-dev")
	files := []string{"harness/fuzz.c"}
	for _, source := range sources(t) {
		if base := filepath.Base(source); base != "ed25519.c" && base != "sha512.c" {
			files = append(files, source)
		}
	}
	program := compile(t, "clang", append(append([]string{}, warnings...), fuzzFlags...), files...)

	corpus := t.TempDir()
	for i, c := range contenttest.Cases() {
		writeSeed(t, corpus, fmt.Sprintf("case-%03d", i), c.File)
		// The shipped template is wider than the event; a narrow one lets the evaluator have its share.
		writeSeed(t, corpus, fmt.Sprintf("narrow-%03d", i), narrowed(c.File))
	}
	for seed := range uint64(100) {
		writeSeed(t, corpus, fmt.Sprintf("random-%03d", seed), contenttest.Random(seed).File)
	}
	crashes := t.TempDir() + string(filepath.Separator)
	out, err := exec.CommandContext(t.Context(), program, "-seed=291", "-runs=20000", "-max_len=4096", "-timeout=60",
		"-artifact_prefix="+crashes, corpus).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
		found, _ := filepath.Glob(crashes + "*")
		for _, path := range found {
			if data, err := os.ReadFile(path); err == nil {
				t.Logf("%s: %x", filepath.Base(path), data)
			}
		}
	}
}

// narrowed is the file with only the first fields that a sensor supplies.
func narrowed(f content.File) content.File {
	out := content.File{Version: f.Version}
	for _, t := range f.Templates {
		t.Fields = t.Fields[:min(len(t.Fields), content.SensorFields)]
		out.Templates = append(out.Templates, t)
	}
	for _, in := range f.Instances {
		in.Criteria = in.Criteria[:min(len(in.Criteria), content.SensorFields)]
		out.Instances = append(out.Instances, in)
	}
	return out
}

func writeSeed(t *testing.T, dir, name string, f content.File) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), signed(t, f), 0o600); err != nil {
		t.Fatal(err)
	}
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
