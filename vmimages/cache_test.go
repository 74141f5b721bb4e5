package vmimages

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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

func TestRemoveTemps(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{tempPrefix + "1/scratch", "0123456789ab"} {
		if err := makeDir(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeTemps(dir); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(dir + "/*"); len(left) != 1 || filepath.Base(left[0]) != "0123456789ab" {
		t.Errorf("left: %q", left)
	}
	if err := removeTemps(filepath.Join(dir, "none")); err != nil {
		t.Errorf("no directory: %v", err)
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
