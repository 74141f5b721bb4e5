package vmimages

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

func TestLockCacheExcludes(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "a", "b")
	quiet := func(string) {}
	release, err := lockCache(t.Context(), cache, quiet)
	if err != nil {
		t.Fatal(err)
	}
	// A second build says that it waits, and gives up with its context.
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	said := 0
	_, err = lockCache(ctx, cache, func(string) { said++; cancel(stop) })
	if !errors.Is(err, stop) || said != 1 {
		t.Errorf("said %d times that it waits; error %v", said, err)
	}
	// A third gets the lock once the first lets it go.
	again, err := lockCache(t.Context(), cache, func(string) { release() })
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestLeftovers(t *testing.T) {
	cache := t.TempDir()
	if left, err := Leftovers(cache); len(left) > 0 || err != nil {
		t.Errorf("a cache in which nothing was built: %q, %v", left, err)
	}
	release, err := lockCache(t.Context(), cache, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if left, err := Leftovers(cache); len(left) > 0 || err != nil {
		t.Errorf("a cache without a file: %q, %v", left, err)
	}
	var want []string
	for _, name := range []string{"debs/" + tempPrefix + "1", "images/other/" + tempPrefix + "old-2", "images/tiny/" + tempPrefix + "3"} {
		want = append(want, filepath.Join(cache, name))
		if err := makeDir(filepath.Join(cache, name, "scratch")); err != nil {
			t.Fatal(err)
		}
	}
	whole := filepath.Join(cache, "images/tiny/0123456789ab")
	if err := makeDir(whole); err != nil {
		t.Fatal(err)
	}
	exist := func() (n int) {
		for _, path := range want {
			if _, err := os.Stat(path); err == nil {
				n++
			}
		}
		return n
	}
	// They are those of the build that has the lock.
	if left, err := RemoveLeftovers(cache); len(left) > 0 || err != nil || exist() != len(want) {
		t.Errorf("removed of a build that runs: %q, %v", left, err)
	}
	release()
	if left, err := Leftovers(cache); !slices.Equal(left, want) || err != nil || exist() != len(want) {
		t.Errorf("left: %q, %v, want %q", left, err, want)
	}
	if left, err := RemoveLeftovers(cache); !slices.Equal(left, want) || err != nil || exist() != 0 {
		t.Errorf("removed: %q, %v, want %q", left, err, want)
	}
	if _, err := os.Stat(whole); err != nil {
		t.Errorf("a whole build: %v", err)
	}
}

func TestPublishReplacesADamagedBuild(t *testing.T) {
	dir := t.TempDir()
	old, fresh := filepath.Join(dir, "final"), filepath.Join(dir, tempPrefix+"1")
	for _, d := range []string{old, fresh} {
		if err := makeDir(d); err != nil {
			t.Fatal(err)
		}
		if err := writeFile(filepath.Join(d, "of"), []byte(filepath.Base(d))); err != nil {
			t.Fatal(err)
		}
	}
	if err := publish(fresh, old); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(old, "of")); string(data) != tempPrefix+"1" {
		t.Errorf("published %q, %v", data, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

// The hypervisor runs as another user: what the cache holds must be readable whatever the umask of who built it.
func TestCacheIsReadableByAll(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	top := filepath.Join(t.TempDir(), "top")
	dir := filepath.Join(top, "sub")
	if err := makeDir(dir); err != nil {
		t.Fatal(err)
	}
	file, copied := filepath.Join(dir, "file"), filepath.Join(dir, "copy")
	if err := writeFile(file, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(copied, file); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{top: 0o755, dir: 0o755, file: 0o644, copied: 0o644} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
}
