package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/vmimages"
)

// What a run says when it has a daemon, and writes into its journal when its trials begin, and when they are over.
const (
	saysDaemon = "accelerator "
	beginsRun  = `"k":"run"`
	endsRun    = `"k":"run_end"`
)

// A neighbour is another user of the machine: as soon as one of its runs has ended the next one begins.
type neighbour struct {
	t    *testing.T
	dir  string // of its results
	quit chan struct{}
	done chan struct{}
	runs []*process // only once it is done
}

// A firstRun is how long it took a run that found no template until it had a daemon, its journal began, it closed, and it
// had ended.
type firstRun struct {
	daemon, journal, closing, end time.Duration
	whole                         chan struct{} // closed when closing and end are known
}

// startNeighbour starts it, and returns what its first run takes.
func startNeighbour(t *testing.T, cache string) (*neighbour, *firstRun) {
	nb := &neighbour{t: t, dir: t.TempDir(), quit: make(chan struct{}), done: make(chan struct{})}
	first := &firstRun{whole: make(chan struct{})}
	began := time.Now()
	p := start(t, nb.dir, "--cache", cache)
	if err := p.until(saysDaemon, func() bool { return strings.Contains(p.stderr.String(), saysDaemon) }); err != nil {
		t.Fatal(err)
	}
	first.daemon = time.Since(began)
	p.await(beginsRun)
	first.journal = time.Since(began)
	go func() {
		defer close(nb.done)
		nb.runs = append(nb.runs, p)
		if err := p.until(endsRun, func() bool { return p.journalHolds(endsRun) }); err != nil {
			t.Error(err)
		}
		first.closing = time.Since(began)
		<-p.ended
		first.end = time.Since(began)
		close(first.whole)
		for {
			p, err := launch(t, nb.dir, smoke, "--cache", cache)
			if err != nil {
				t.Error(err)
				return
			}
			nb.runs = append(nb.runs, p)
			<-p.ended
			select {
			case <-nb.quit:
				return
			default:
			}
		}
	}()
	return nb, first
}

// check waits for the run that is under way, and expects that none was touched, nor taken for something to be removed.
func (nb *neighbour) check(removed []string) {
	close(nb.quit)
	<-nb.done
	for _, p := range nb.runs {
		p.expect(exitMet)
	}
	paths, err := filepath.Glob(filepath.Join(nb.dir, "runs", "*", results.ResultsFile))
	if err != nil || len(paths) != len(nb.runs) {
		nb.t.Fatalf("results %q, %v of %d runs", paths, err, len(nb.runs))
	}
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			nb.t.Fatal(err)
		}
		r, err := results.Decode(file)
		file.Close()
		if err != nil {
			nb.t.Fatal(err)
		}
		for _, c := range r.Cells {
			if c.Invalid > 0 || c.Retried > 0 {
				nb.t.Errorf("%s: %s has %d invalid samples and %d retried ones", path, c.ID, c.Invalid, c.Retried)
			}
		}
		if slices.Contains(removed, r.Run.ID) {
			nb.t.Errorf("gc removed what run %s left, which nobody had killed", r.Run.ID)
		}
		expectNothingOf(nb.t, r.Run.ID)
	}
}

// builtImage is the image in the cache that the other tests share.
func builtImage(t *testing.T) vmimages.Image {
	if out, err := exec.Command("fleetfall", "image", "build", "tiny").CombinedOutput(); err != nil {
		t.Fatalf("image: %v\n%s", err, out)
	}
	image, err := vmimages.Find(vmimages.DefaultCache(), "tiny")
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// newCache makes a cache that holds nothing but an image, where QEMU, which runs as another user, can read it.
func newCache(t *testing.T, image vmimages.Image) string {
	dir, err := os.MkdirTemp("/var/tmp", "fleetfall-kill-")
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
	build := filepath.Dir(image.Kernel)
	name := filepath.Join("images", image.Name, filepath.Base(build))
	for from, to := range map[string]string{build: name, filepath.Join(vmimages.DefaultCache(), "debs"): "debs"} {
		if err := os.CopyFS(filepath.Join(dir, to), os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
