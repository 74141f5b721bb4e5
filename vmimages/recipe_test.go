package vmimages

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/fleetfall/fleetfall/agents"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestShippedRecipes(t *testing.T) {
	sources, err := sourceFiles(agents.Sources())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(Names(), "tiny") {
		t.Fatalf("names %q", Names())
	}
	for _, name := range Names() {
		if _, err := loadRecipe(recipeFiles, name, guestPrograms(sources)); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"tinny", "", "../tiny", "a/b"} {
		if _, err := loadRecipe(recipeFiles, name, nil); err == nil || !strings.Contains(err.Error(), "there is: tiny") {
			t.Errorf("recipe %q: error %v", name, err)
		}
	}
}

// Each testdata/recipes/*.hcl holds mistakes; the diagnostics for it are in the .txt file beside it.
func TestRecipeDiagnostics(t *testing.T) {
	files, err := filepath.Glob("testdata/recipes/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recipes: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, diags := parseRecipe(filepath.Base(file), src, []string{"service", "work"})
			if !diags.HasErrors() {
				t.Fatal("no error")
			}
			var got bytes.Buffer
			source := map[string]*hcl.File{filepath.Base(file): {Bytes: src}}
			if err := hcl.NewDiagnosticTextWriter(&got, source, 100, false).WriteDiagnostics(diags); err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".hcl") + ".txt"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("diagnostics:\n%s\nwant:\n%s", got.Bytes(), want)
			}
		})
	}
}

func FuzzParseRecipe(f *testing.F) {
	tiny, err := recipeFiles.ReadFile("tiny.hcl")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(tiny)
	f.Add([]byte(`image "tiny" {}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		if r, diags := parseRecipe("tiny.hcl", src, nil); r == nil && !diags.HasErrors() {
			t.Error("neither a recipe nor an error")
		}
	})
}
