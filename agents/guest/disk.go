package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/fleetfall/fleetfall/agents/content"
)

const (
	currentName = "current.bin" // the newest content, which the agent loads
	shippedName = "shipped.bin" // what the image came with
)

// A disk is the folder of the persistent disk that holds content.
type disk struct {
	dir string
	mu  sync.Mutex // held by who changes it
}

// current is the path of the newest content.
func (d *disk) current() string { return filepath.Join(d.dir, currentName) }

// version returns the version that the newest content claims, 0 when there is none.
func (d *disk) version() (uint64, error) {
	data, err := os.ReadFile(d.current())
	if err != nil {
		return 0, err
	}
	return content.Version(data)
}

// replace makes data the newest content, durably: after a crash at any instant there is the old or the new.
func (d *disk) replace(data []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return writeDurably(d.dir, currentName, data)
}

// restore removes the newest content and puts what the image came with in its place.
func (d *disk) restore() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	data, err := os.ReadFile(filepath.Join(d.dir, shippedName))
	if removal := removeDurably(d.dir, currentName); removal != nil || err != nil {
		return errors.Join(removal, err) // removed even when there is nothing to put in its place
	}
	return writeDurably(d.dir, currentName, data)
}

func writeDurably(dir, name string, data []byte) error {
	temporary := filepath.Join(dir, "."+name+".new")
	err := write(temporary, data)
	if err == nil {
		err = os.Rename(temporary, filepath.Join(dir, name))
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, errors.Join(err, removeDurably(dir, filepath.Base(temporary))))
	}
	return syncDir(dir)
}

// write writes a file whole, and starts no process meanwhile: until its execution is decided, that would hold the file open for
// writing too, and the kernel reads no content from a file that somebody may write to.
func write(path string, data []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close())
}

func removeDurably(dir, name string) error {
	if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return syncDir(dir)
}

// syncDir makes what was renamed or removed in dir survive a crash.
func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
