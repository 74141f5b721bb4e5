package vmimages

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Names in the cache.
const (
	cacheLock  = "lock"
	debsDir    = "debs"
	imagesDir  = "images"
	tempPrefix = ".tmp-" // begins the name of what a build has not published yet
)

// lockCache takes the cache's lock, waiting for another build to end. The lock goes with the process that holds it.
func lockCache(ctx context.Context, cache string, step func(string)) (release func(), err error) {
	if err := makeDir(cache); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(cache, cacheLock), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the image cache: %w", err)
	}
	// flock(2) cannot be interrupted from Go and tells nobody when it would succeed, so it is asked again.
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for said := false; ; said = true {
		locked, err := tryLock(f)
		if locked {
			return func() { f.Close() }, nil
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock the image cache: %w", err)
		}
		if !said {
			step("wait for another build to end")
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for another build to end: %w", context.Cause(ctx))
		case <-again.C:
		}
	}
}

// tryLock takes the lock that f is, unless another process has it.
func tryLock(f *os.File) (locked bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}

// Leftovers lists what killed builds left in the cache, sorted: files and directories of theirs. It changes nothing.
// While a build runs it lists nothing: that build has removed what others had left, and what there is now is its own.
func Leftovers(cache string) ([]string, error) {
	return unlessBuilding(cache, func(string) error { return nil })
}

// RemoveLeftovers removes what Leftovers lists, and returns what it has removed.
func RemoveLeftovers(cache string) ([]string, error) { return unlessBuilding(cache, os.RemoveAll) }

// unlessBuilding calls do with each path that a killed build left, and returns those for which it succeeded, while no
// build runs or begins. Whoever builds has the lock, and loses it by being killed, whatever else shares the cache.
func unlessBuilding(cache string, do func(path string) error) (done []string, err error) {
	lock, err := os.OpenFile(filepath.Join(cache, cacheLock), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // nothing was ever built here
	}
	if err != nil {
		return nil, fmt.Errorf("look for what killed builds left: %w", err)
	}
	defer lock.Close()
	if locked, err := tryLock(lock); !locked {
		return nil, err
	}
	paths, err := temps(cache)
	if err != nil {
		return nil, fmt.Errorf("look for what killed builds left: %w", err)
	}
	var errs []error
	for _, path := range paths {
		if err := do(path); err != nil {
			errs = append(errs, fmt.Errorf("remove what a killed build left: %w", err))
			continue
		}
		done = append(done, path)
	}
	return done, errors.Join(errs...)
}

// temps lists what builds have not published, sorted.
func temps(cache string) ([]string, error) {
	dirs := []string{filepath.Join(cache, debsDir)}
	images, err := os.ReadDir(filepath.Join(cache, imagesDir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, image := range images {
		if image.IsDir() {
			dirs = append(dirs, filepath.Join(cache, imagesDir, image.Name()))
		}
	}
	var found []string
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), tempPrefix) {
				found = append(found, filepath.Join(dir, e.Name()))
			}
		}
	}
	return found, nil
}

// removeTemps removes what killed builds left in the cache. The caller holds the lock, so that no build is alive.
func removeTemps(cache string) error {
	paths, err := temps(cache)
	for _, path := range paths {
		err = errors.Join(err, os.RemoveAll(path))
	}
	if err != nil {
		return fmt.Errorf("remove what a killed build left: %w", err)
	}
	return nil
}

// publish makes dir the build at final, in the place of a damaged one. Who has files of the old one open keeps them.
func publish(dir, final string) error {
	aside := filepath.Join(filepath.Dir(final), tempPrefix+"old-"+filepath.Base(final))
	if err := os.Rename(final, aside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("put the damaged build aside: %w", err)
	}
	if err := os.Rename(dir, final); err != nil {
		return fmt.Errorf("publish the build: %w", err)
	}
	return os.RemoveAll(aside)
}

// makeDir makes a directory and its parents, readable by all whatever the umask.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil // another build was faster
		}
		return fmt.Errorf("make the image cache: %w", err)
	}
	return os.Chmod(dir, 0o755)
}

// writeFile writes a file that all may read, whatever the umask.
func writeFile(path string, data []byte) error {
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return err
	}
	return os.Chmod(path, 0o644)
}

// copyFile copies a file; the copy may be read by all.
func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(0o644), out.Close())
}
