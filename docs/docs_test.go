// Package docs has no code: its tests keep the documents' tables true to the runs that they are of, which lie in runs.
package docs

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/measure"
	"github.com/fleetfall/fleetfall/results/report"
	"github.com/fleetfall/fleetfall/vmimages"
)

var update = flag.Bool("update", false, "write the tables anew")

// A table stands between two comments that name its run: <!-- run NAME: begin -->, <!-- run NAME: end -->.
var table = regexp.MustCompile(`(?s)(<!-- run ([a-z0-9-]+): begin -->\n)(.*?)(<!-- run ([a-z0-9-]+): end -->)`)

// TestTables: each table of a run in a document is what this fleetfall makes of the run's journal.
func TestTables(t *testing.T) {
	used := map[string]bool{}
	documents := []string{"../README.md"}
	more, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(documents, more...) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), "<!-- run "); n != 2*len(table.FindAll(text, -1)) {
			t.Errorf("%s: %d marks of runs, which are no pairs", path, n)
		}
		now := table.ReplaceAllFunc(text, func(whole []byte) []byte {
			part := table.FindSubmatch(whole)
			name := string(part[2])
			if name != string(part[5]) {
				t.Errorf("%s: the table of run %s ends as that of %s", path, name, part[5])
			}
			used[name] = true
			return slices.Concat(part[1], summary(t, name), part[4])
		})
		if bytes.Equal(now, text) {
			continue
		}
		if !*update {
			t.Errorf("%s: its tables are not what the journals in docs/runs say: go test ./docs -update", path)
			continue
		}
		if err := os.WriteFile(path, now, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range runs(t) {
		if !used[name] {
			t.Errorf("docs/runs: no document has a table of %s", name)
		}
	}
}

// long are runs that take half an hour: their tables may be of an older image, and then say so.
var long = []string{"matrix", "channel-file-291-real"}

// TestTablesAreOfTheImage: what the tables tell is of hosts that run what is built now. After a change to what runs in a
// guest they are of an older image.
func TestTablesAreOfTheImage(t *testing.T) {
	for _, name := range runs(t) {
		if images := older(t, name); len(images) > 0 && !slices.Contains(long, name) {
			t.Errorf("the run %s in docs/runs is of an older image %s: make figures", name, strings.Join(images, ", "))
		}
	}
}

// sourcesFact is the name of the fact that says from what a run's image was made.
var sourcesFact = regexp.MustCompile(`^image (.+) sources$`)

// older are the images of a run that are made of other sources now.
func older(t *testing.T, name string) (images []string) {
	t.Helper()
	found := 0
	for _, f := range run(t, name).Provenance.Facts {
		part := sourcesFact.FindStringSubmatch(f.Name)
		if part == nil {
			continue
		}
		found++
		now, err := vmimages.Sources(part[1], vmimages.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if f.Value != now {
			images = append(images, part[1])
		}
	}
	if found == 0 {
		t.Errorf("the run %s in docs/runs does not say of which sources its images are", name)
	}
	return images
}

// runs are the names of the runs that are kept.
func runs(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("runs/*.json*")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no run in docs/runs: %v", err)
	}
	var names []string
	for _, path := range paths {
		name, _, _ := strings.Cut(filepath.Base(path), ".")
		names = append(names, name)
	}
	return names
}

// run is one that is kept: as its journal or, where that is too large for a repository, as its results.
func run(t *testing.T, name string) *results.Results {
	t.Helper()
	var r *results.Results
	path := filepath.Join("runs", name+".jsonl")
	j, err := results.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		path = filepath.Join("runs", name+".json")
		data, readErr := os.ReadFile(path)
		if readErr != nil {
			t.Fatal(readErr)
		}
		r, err = results.Decode(bytes.NewReader(data))
	} else if err == nil {
		r = measure.Compute(j)
	}
	if err != nil {
		t.Fatal(err)
	}
	if r.Run.Status != results.StatusComplete {
		t.Fatalf("docs/%s: the run is %s", path, r.Run.Status)
	}
	return r
}

// summary is a run's summary.md, a heading lower and between empty lines.
func summary(t *testing.T, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := report.Markdown(&b, run(t, name)); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	if images := older(t, name); len(images) > 0 && slices.Contains(long, name) {
		fmt.Fprintf(&b, "**Its image is an older one**: the sources of %s have changed since. `make figures FIGURES=%s` runs it anew.\n\n",
			strings.Join(images, ", "), name)
	}
	return slices.Concat([]byte("\n"), regexp.MustCompile(`(?m)^## `).ReplaceAll(b.Bytes(), []byte("### ")))
}
