package vmimages

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/internal/tool"
)

// needBuild skips a test where images cannot be built.
func needBuild(t *testing.T) {
	t.Helper()
	for _, p := range tool.Needed() {
		_, err := p.Find()
		capability.Need(t, err == nil, p.Name, p.How)
	}
}

// The environment that makes TestKilledBuild a build in a process of its own.
const buildIn = "FLEETFALL_TEST_BUILD_IN"

// TestKilledBuild is the process that TestBuild kills. It waits where it is to be killed.
func TestKilledBuild(t *testing.T) {
	cache := os.Getenv(buildIn)
	if cache == "" {
		t.Skip("runs inside TestBuild")
	}
	_, err := Build(t.Context(), "tiny", Options{Cache: cache, Log: func(step string) {
		fmt.Println(step)
		if step == "build the user agent" {
			select {}
		}
	}})
	t.Fatal(err)
}

// TestBuild builds the shipped image for real, again and again.
func TestBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("builds images for minutes and boots one; not in short mode")
	}
	needBuild(t)
	cache := t.TempDir()
	build := func(ctx context.Context, cache string) (Image, []string, error) {
		var steps []string
		img, err := Build(ctx, "tiny", Options{Cache: cache, Log: func(step string) { steps = append(steps, step) }})
		return img, steps, err
	}
	nothingHalfMade := func(t *testing.T) {
		t.Helper()
		if left, _ := filepath.Glob(filepath.Join(cache, "*", "*", tempPrefix+"*")); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}

	t.Run("cancelled", func(t *testing.T) {
		stop := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		_, err := Build(ctx, "tiny", Options{Cache: cache, Log: func(step string) {
			if step == "build the kernel agent" {
				cancel(stop)
			}
		}})
		if !errors.Is(err, stop) {
			t.Errorf("error %v, want %v", err, stop)
		}
		nothingHalfMade(t)
		if _, err := Find(cache, "tiny"); !errors.Is(err, errNotBuilt) {
			t.Errorf("find: %v", err)
		}
	})

	t.Run("killed", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledBuild$", "-test.v")
		cmd.Env = append(os.Environ(), buildIn+"="+cache)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		buf := make([]byte, 4096)
		for !strings.Contains(said.String(), "build the user agent") {
			n, err := out.Read(buf)
			said.Write(buf[:n])
			if err != nil {
				t.Errorf("the build ended by itself: %v\n%s", err, said.String())
				break
			}
		}
		if left, err := RemoveLeftovers(cache); len(left) > 0 || err != nil {
			t.Errorf("removed of a build that runs: %q, %v", left, err)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if left, err := Leftovers(cache); len(left) != 1 || err != nil {
			t.Errorf("a killed build left %q, %v, want its temporary directory", left, err)
		}
		if left, _ := filepath.Glob(filepath.Join(cache, "images", "tiny", tempPrefix+"*")); len(left) != 1 {
			t.Errorf("a killed build left %q, want its temporary directory", left)
		}
		if _, err := Find(cache, "tiny"); !errors.Is(err, errNotBuilt) {
			t.Errorf("find: %v", err)
		}
	})

	start := time.Now()
	first, _, err := build(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	nothingHalfMade(t)
	if err := verify(first); err != nil {
		t.Error(err)
	}
	const limit = 40e6
	if first.Bytes < 1e6 || first.Bytes >= limit {
		t.Errorf("the image takes %d bytes, want less than %d", first.Bytes, int(limit))
	}
	t.Logf("image %.12s: %d bytes, kernel %s, built in %v", first.Digest, first.Bytes, first.KernelRelease, took)
	readableByAll(t, filepath.Join(cache, "images"))

	t.Run("again", func(t *testing.T) {
		start := time.Now()
		img, steps, err := build(t.Context(), cache)
		if err != nil || len(steps) > 0 || img.Kernel != first.Kernel {
			t.Errorf("built %s in steps %q, error %v; want %s in none", img.Kernel, steps, err, first.Kernel)
		}
		if again := time.Since(start); again > took/4 {
			t.Errorf("took %v, and building it took %v", again, took)
		} else {
			t.Logf("took %v", again)
		}
		if found, err := Find(cache, "tiny"); err != nil || found.Digest != first.Digest {
			t.Errorf("found %s, error %v", found.Digest, err)
		}
	})

	t.Run("tampered", func(t *testing.T) {
		want := readAll(t, filepath.Dir(first.Kernel))
		f, err := os.OpenFile(first.Initrd, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("tampered"), 1000); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if err := verify(first); err == nil || !strings.Contains(err.Error(), first.Initrd) {
			t.Errorf("verify: %v", err)
		}
		img, steps, err := build(t.Context(), cache)
		if err != nil || len(steps) == 0 {
			t.Fatalf("built in steps %q, error %v", steps, err)
		}
		if !maps.Equal(want, readAll(t, filepath.Dir(img.Kernel))) {
			t.Error("the image that was built again has other bytes")
		}
		nothingHalfMade(t)
	})

	t.Run("elsewhere and two at once", func(t *testing.T) {
		other := filepath.Join(t.TempDir(), "another", "directory")
		if err := os.CopyFS(filepath.Join(other, "debs"), os.DirFS(filepath.Join(cache, "debs"))); err != nil {
			t.Fatal(err)
		}
		// A damaged package is downloaded again, not used.
		debs, _ := filepath.Glob(filepath.Join(other, "debs", "*.deb"))
		if err := os.Truncate(debs[0], 1000); err != nil {
			t.Fatal(err)
		}
		type result struct {
			img   Image
			steps []string
			err   error
		}
		results := make(chan result, 2)
		for range 2 {
			go func() {
				img, steps, err := build(t.Context(), other)
				results <- result{img, steps, err}
			}()
		}
		built := 0
		for range 2 {
			r := <-results
			if r.err != nil {
				t.Fatal(r.err)
			}
			if slices.Contains(r.steps, "build the guest program") {
				built++
			}
			if !maps.Equal(readAll(t, filepath.Dir(first.Kernel)), readAll(t, filepath.Dir(r.img.Kernel))) {
				t.Error("the same inputs gave other bytes in another directory")
			}
		}
		if built != 1 {
			t.Errorf("%d of two builds at once did the work, want one", built)
		}
	})

	t.Run("boot", func(t *testing.T) { testBoot(t, first) })
}

// readAll returns the content of every file in dir by name.
func readAll(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

func readableByAll(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if want := map[bool]os.FileMode{true: 0o755, false: 0o644}[d.IsDir()]; err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestBuildRefusesPathsThatKernelModulesCannotBeBuiltIn(t *testing.T) {
	for _, cache := range []string{"/a b", "/a,b", "/a:b", "/a$b", "/a#b"} {
		_, err := Build(t.Context(), "tiny", Options{Cache: cache})
		if err == nil || !strings.Contains(err.Error(), "choose another directory") {
			t.Errorf("cache %q: error %v", cache, err)
		}
	}
}
