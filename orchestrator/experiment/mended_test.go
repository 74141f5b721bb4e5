package experiment

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rs/zerolog"

	"github.com/fleetfall/fleetfall/agents"
	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/draw"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/measure"
	"github.com/fleetfall/fleetfall/scenarios"
	"github.com/fleetfall/fleetfall/vmimages"
)

// evaluator is the file that has the defect, and these are the mistake and its mending by hand: the bounds check that
// the published findings of July 2024 ask for, made whatever the agent asks for.
const (
	evaluator = "interpreter/evaluate.c"
	mistake   = "if ((checks & FF_CHECK_BOUNDS) && c->field >= e->ninputs)"
	mended    = "if (c->field >= e->ninputs)"
)

// mend adds a bounds check to the interpreter and leaves all else as it is.
func mend(t *testing.T) fs.FS {
	t.Helper()
	sources := fstest.MapFS{}
	err := fs.WalkDir(agents.Sources(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(agents.Sources(), path)
		sources[path] = &fstest.MapFile{Data: data, Mode: 0o644}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	file := sources[evaluator]
	if file == nil {
		t.Fatalf("no %s among the sources", evaluator)
	}
	if n := bytes.Count(file.Data, []byte(mistake)); n != 1 {
		t.Fatalf("%q stands %d times in %s, want once: mend it here too", mistake, n, evaluator)
	}
	file.Data = bytes.Replace(file.Data, []byte(mistake), []byte(mended), 1)
	return sources
}

// TestBoundsCheckSavesTheKernelFleet changes one thing, by hand, in the interpreter, and nothing in the update.
func TestBoundsCheckSavesTheKernelFleet(t *testing.T) {
	capability.VMs(t)
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	dir := ownCache(t)
	image, err := vmimages.Build(ctx, "tiny", vmimages.Options{Cache: dir, Sources: mend(t), Log: func(s string) { t.Log(s) }})
	if err != nil {
		t.Fatal(err)
	}

	plan, diags := scenarios.LoadFile(t.Context(), "channel-file-291", scenarios.Options{Vars: map[string]string{
		"hosts": "1", "repeat": "1", "at": "1s", "revert_after": "6s", "stable_for": "3s", "liveness": "60s", "latency_bound": "60s", "deadline": "4m",
	}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	on := openVMs(ctx, t, image)
	r := &run{Config: Config{Plan: plan, Log: zerolog.Nop()}, dir: dir, images: map[string]vmimages.Image{"tiny": image}, consoles: map[string]int{}}
	path := filepath.Join(dir, results.JournalFile)
	if r.journal, err = results.Create(path, results.Header{RunID: "mended", Draws: draw.ByIndex, Plan: plan}); err != nil {
		t.Fatal(err)
	}
	for _, trial := range orchestrator.Trials(plan, nil) {
		if trial.Cell.Fleet.Name != "kernel" {
			continue
		}
		begun, err := r.begins(trial)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := begun.run(ctx, on); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.journal.Close(); err != nil {
		t.Fatal(err)
	}
	j, err := results.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range measure.Compute(j).Cells {
		if c.Fleet != "kernel" {
			continue
		}
		if len(c.Trials) != 1 || c.Trials[0].Status != orchestrator.Settled {
			t.Errorf("trials %+v", c.Trials)
		}
		for _, name := range []string{"blast_radius", "crashes", "protection_radius"} {
			if m := c.Metrics[name]; m.Value == nil || *m.Value != 0 {
				t.Errorf("%s is %+v, want 0 with a bounds check", name, m)
			}
		}
	}
}

// ownCache is a directory for images of the test's own, with the packages that were downloaded before.
func ownCache(t *testing.T) string {
	t.Helper()
	// Not t.TempDir: QEMU runs as another user, who must be able to get there.
	dir, err := os.MkdirTemp("/var/tmp", "fleetfall-images-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	shareDownloads(t, dir)
	return dir
}

// shareDownloads copies the packages that another build has downloaded already, if any.
func shareDownloads(t *testing.T, cache string) {
	t.Helper()
	from := filepath.Join(vmimages.DefaultCache(), "debs")
	entries, err := os.ReadDir(from)
	if err != nil {
		return
	}
	to := filepath.Join(cache, "debs")
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		in, err := os.Open(filepath.Join(from, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out, err := os.Create(filepath.Join(to, e.Name()))
		if err == nil {
			_, err = io.Copy(out, in)
		}
		if err == nil {
			err = out.Close()
		}
		in.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
}
