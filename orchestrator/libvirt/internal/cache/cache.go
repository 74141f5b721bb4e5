// Package cache is the directory of what later runs find again: templates, and verdicts on accelerators.
package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/flock"
)

// The cache of templates and verdicts is shared by all runs. Who writes something into it holds the cache's lock
// together with others until that has its name, and loses it by being killed. So whoever has the lock alone knows
// that what has no name yet is nobody's. The lock is that of the cache's directory itself, see flock(2).

// What the cache holds, and how the names of what is being written begin.
const (
	Templates   = "templates" // a directory for each template, by its key
	NewTemplate = ".new-"
	NewVerdict  = ".accelerator-"
)

// Write takes the cache's lock, together with all others who write.
func Write(cache string) (done func(), err error) {
	dir, err := os.Open(cache)
	if err != nil {
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	if err := flock.Wait(dir, flock.Shared); err != nil { // waits at most for one who removes what was left
		dir.Close()
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	return func() { dir.Close() }, nil
}

// Leftovers lists what killed runs left in the cache, sorted: templates and verdicts that are not
// whole. It changes nothing. While a run writes to the cache it lists nothing.
func Leftovers(dir string) ([]string, error) {
	return unlessWriting(dir, func(string) error { return nil })
}

// RemoveLeftovers removes what leftovers lists, and returns what it has removed.
func RemoveLeftovers(dir string) ([]string, error) { return unlessWriting(dir, os.RemoveAll) }

// unlessWriting calls do with each path that killed runs left, and returns those for which it succeeded, while no run
// writes or begins to.
func unlessWriting(cache string, do func(path string) error) (done []string, err error) {
	dir, err := os.Open(cache)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for what killed runs left in the cache: %w", err)
	}
	defer dir.Close()
	if alone, err := flock.Try(dir); err != nil {
		return nil, fmt.Errorf("look for what killed runs left in the cache: %w", err)
	} else if !alone {
		return nil, nil
	}
	var errs []error
	for _, pattern := range []string{NewVerdict + "*", filepath.Join(Templates, NewTemplate+"*")} {
		names, err := fs.Glob(os.DirFS(cache), pattern)
		errs = append(errs, err)
		for _, name := range names {
			path := filepath.Join(cache, name)
			if err := do(path); err != nil {
				errs = append(errs, fmt.Errorf("remove what a killed run left in the cache: %w", err))
				continue
			}
			done = append(done, path)
		}
	}
	return done, errors.Join(errs...)
}
