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

// tempPrefix begins the name of what a build has not published yet.
const tempPrefix = ".tmp-"

// lockCache takes the cache's lock, waiting for another build to end. The lock goes with the process that holds it.
func lockCache(ctx context.Context, cache string, step func(string)) (release func(), err error) {
	if err := makeDir(cache); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the image cache: %w", err)
	}
	// flock(2) cannot be interrupted from Go and tells nobody when it would succeed, so it is asked again.
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for said := false; ; said = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
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

// removeTemps removes what killed builds left in dir. The caller holds the lock, so that no build is alive.
func removeTemps(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove what a killed build left: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("remove what a killed build left: %w", err)
			}
		}
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
