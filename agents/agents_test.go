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
		"kernel": ".c .h Kbuild", "user": ".c .h", "safe": ".go", "safe/engine": ".go",
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
			if found, _ := fs.Glob(Sources(), strings.TrimPrefix(name, own)+"/*.go"); !strings.HasPrefix(name, own) || len(found) == 0 {
				t.Errorf("%s imports %s, which is not embedded and cannot be downloaded when an image is built", file, name)
			}
		}
	}
}
