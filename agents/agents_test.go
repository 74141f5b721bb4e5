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

// A source that is written and not embedded would be missing from every image built without the tree.
func TestSourcesAreComplete(t *testing.T) {
	for folder, extensions := range map[string]string{
		"content": ".go", "protocol": ".go", "guest": ".go .s", "guest/programs": ".c .h", "interpreter": ".c .h",
		"daemon": ".c .h", "hybrid": ".h", "hybrid/daemon": ".c .h", "hybrid/module": ".c .h Kbuild",
		"kernel": ".c .h Kbuild", "sensor": ".c .h", "user": ".c .h",
		"ebpf": ".go .mod .sum", "ebpf/bpf": ".c .h",
		"safe": ".go", "safe/engine": ".go",
	} {
		entries, err := os.ReadDir(filepath.FromSlash(folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			kind := path.Ext(e.Name())
			if kind == "" {
				kind = e.Name()
			}
			if e.IsDir() || !strings.Contains(" "+extensions+" ", " "+kind+" ") {
				continue
			}
			if _, err := fs.Stat(Sources(), path.Join(folder, e.Name())); err != nil {
				t.Errorf("%s/%s is not embedded: %v", folder, e.Name(), err)
			}
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
