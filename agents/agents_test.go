package agents

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// notEmbedded is what no image is built from, with the reason.
var notEmbedded = map[string]string{
	"agents.go":           "it embeds the others",
	"agents_test.go":      "it is this test",
	"content/contenttest": "what the interpreters' tests have in common",
	"content/testdata":    "what a test reads",
	"ebpf/testdata":       "what runs in tests",
	"hybrid/test":         "tests, and their side in C",
	"interpreter/test":    "tests, and their side in C",
	"safe/testdata":       "what runs in tests",
}

// A source that is written and not embedded would be missing from every image built without the tree.
func TestSourcesAreComplete(t *testing.T) {
	passed := map[string]bool{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		name := filepath.ToSlash(file)
		switch {
		case err != nil:
			return err
		case notEmbedded[name] != "":
			passed[name] = true
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case d.IsDir() || path.Ext(name) == ".md":
			return nil
		}
		if _, err := fs.Stat(Sources(), name); err != nil {
			t.Errorf("%s is not embedded: name it in agents.go, or here with the reason (%v)", name, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range notEmbedded {
		if !passed[name] {
			t.Errorf("%s is not to be embedded, and is not there", name)
		}
	}
}

// The daemons in Go differ in nothing that is no architecture: their runtime is tuned alike, before all else.
func TestDaemonsInGoAreTunedAlike(t *testing.T) {
	for _, file := range []string{"ebpf/main.go", "safe/main.go"} {
		src, err := fs.ReadFile(Sources(), file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(src), "\tengine.Tune()\n") != 1 {
			t.Errorf("%s does not call engine.Tune", file)
		}
	}
}

// mayImport are modules that the programs of a folder may import besides, with the reason.
var mayImport = map[string]struct{ module, reason string }{
	"ebpf": {"github.com/cilium/ebpf", "loading BPF programs into any kernel, with relocations from its BTF, is a library's work; its version and sums are embedded"},
}

// What a guest runs is built from the embedded sources alone, without a download: it may import nothing else.
func TestGoSourcesImportOnlyWhatIsEmbedded(t *testing.T) {
	const own = "github.com/fleetfall/fleetfall/agents/"
	var files []string
	for _, pattern := range []string{"*/*.go", "*/*/*.go"} {
		found, err := fs.Glob(Sources(), pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no Go sources: %v", err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := fs.ReadFile(Sources(), file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, src, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			name, _ := strconv.Unquote(i.Path.Value)
			first, _, _ := strings.Cut(name, "/")
			if !strings.Contains(first, ".") {
				continue // the standard library
			}
			if also := mayImport[path.Dir(file)].module; also != "" && strings.HasPrefix(name+"/", also+"/") {
				continue
			}
			if found, _ := fs.Glob(Sources(), strings.TrimPrefix(name, own)+"/*.go"); !strings.HasPrefix(name, own) || len(found) == 0 {
				t.Errorf("%s imports %s, which is not embedded and cannot be downloaded when an image is built", file, name)
			}
		}
	}
}

// The eBPF agent's module file names what the repository's does, version by version and sum by sum.
func TestModuleFile(t *testing.T) {
	for own, whole := range map[string]string{"ebpf/ebpf.mod": "../go.mod", "ebpf/ebpf.sum": "../go.sum"} {
		lines, err := fs.ReadFile(Sources(), own)
		if err != nil {
			t.Fatal(err)
		}
		all, err := os.ReadFile(filepath.FromSlash(whole))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(lines)) {
			line = strings.TrimSuffix(strings.TrimSpace(line), " // indirect")
			if !strings.HasPrefix(line, "//") && !strings.Contains(string(all), line+"\n") {
				t.Errorf("%s has a line %q that %s has not; take it from there", own, line, whole)
			}
		}
	}
}
