package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fleetfall/fleetfall/agents/content"
)

// An incoming is a file that comes in parts. Until it is put in its place it lies beside that.
type incoming struct {
	disk *disk
	path string // of the file that it becomes
	part string // of what there is of it
}

// receive begins a file that is to be at a path from the disk's root.
func (d *disk) receive(path string) (*incoming, error) {
	if !filepath.IsLocal(path) || filepath.Clean(path) == "." {
		return nil, fmt.Errorf("%q is no file's path from the root of the disk", path)
	}
	target := filepath.Join(d.root, path)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return nil, err
	}
	i := &incoming{disk: d, path: target, part: beside(target, "new")}
	return i, i.drop() // what an earlier boot has left
}

// beside is the path of a file that is to take another's place.
func beside(path, what string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+what)
}

// add writes what comes next. While the file is open no process is started: until its execution is decided, that would
// hold the file open for writing too, and the kernel reads no content from a file that somebody may write to.
func (i *incoming) add(data []byte) error {
	return withoutForks(func() error {
		file, err := os.OpenFile(i.part, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			return err
		}
		_, err = file.Write(data)
		return errors.Join(err, file.Close())
	})
}

// put has the file take its place, if it is what it was said to be.
func (i *incoming) put(digest string, size int64) error {
	i.disk.mu.Lock()
	defer i.disk.mu.Unlock()
	if err := i.check(digest, size); err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(i.path), err)
	}
	return i.settle()
}

func (i *incoming) check(digest string, size int64) error {
	file, err := os.Open(i.part)
	if err != nil {
		return err
	}
	defer file.Close()
	got, n, err := content.DigestOf(file)
	if err == nil && (got != digest || n != size) {
		err = fmt.Errorf("what came is %s of %d bytes, and was to be %s of %d", got, n, digest, size)
	}
	return err
}

// settle has the file take its place durably: after a crash at any instant there is the old or the new.
func (i *incoming) settle() error {
	err := syncFile(i.part)
	if err == nil {
		err = os.Rename(i.part, i.path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(i.path), err)
	}
	return syncFile(filepath.Dir(i.path))
}

// drop removes what came of the file.
func (i *incoming) drop() error {
	if err := os.Remove(i.part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
