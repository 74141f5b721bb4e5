package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/fleetfall/fleetfall/agents/content"
)

const (
	currentName = "current.bin" // the newest content, which the agent loads
	shippedName = "shipped.bin" // what the image came with

	forkWait = time.Second // for the executions that are being started: far more than any takes that does not hang
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
	return syncFile(dir)
}

// write writes a file whole and durably. While it is open no process is started: until its execution is decided, that would hold the
// file open for writing too, and the kernel reads no content from a file that somebody may write to.
func write(path string, data []byte) error {
	err := withoutForks(func() error { return os.WriteFile(path, data, 0o644) })
	if err != nil {
		return err
	}
	return syncFile(path)
}

// withoutForks does something while no process is being started, or after forkWait all the same: an execution that hangs is
// being started all the time, and holds no file open that was opened since. The lock is asked for again and again, because who
// waits for it makes every execution that follows wait as well, and nothing else tells when it is free.
func withoutForks(do func() error) error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for tries := int(forkWait / time.Millisecond); tries > 0; tries-- {
		if syscall.ForkLock.TryRLock() {
			defer syscall.ForkLock.RUnlock()
			break
		}
		<-ticker.C
	}
	return do()
}

func removeDurably(dir, name string) error {
	if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return syncFile(dir)
}

// syncFile makes what was written to a file, or renamed or removed in a folder, survive a crash.
func syncFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
