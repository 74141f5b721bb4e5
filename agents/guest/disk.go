package main

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/fleetfall/fleetfall/agents/content"
)

const (
	shippedName = "shipped.bin" // what the image came with, beside the newest content

	forkWait = time.Second // for the executions that are being started: far more than any takes that does not hang
)

// A disk is the persistent disk. It holds content.
type disk struct {
	root string     // where it is mounted
	mu   sync.Mutex // held by who changes it
}

// current is the path of the newest content, which the agent loads.
func (d *disk) current() string { return filepath.Join(d.root, content.ChannelPath) }

// shipped is the path of the content that the image came with.
func (d *disk) shipped() string { return filepath.Join(filepath.Dir(d.current()), shippedName) }

// version returns the version that the newest content claims, 0 when there is none.
func (d *disk) version() (uint64, error) {
	data, err := os.ReadFile(d.current())
	if err != nil {
		return 0, err
	}
	return content.Version(data)
}

// restore removes the newest content and puts what the image came with in its place.
func (d *disk) restore() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	data, err := os.ReadFile(d.shipped())
	if removal := removeDurably(d.current()); removal != nil || err != nil {
		return errors.Join(removal, err) // removed even when there is nothing to put in its place
	}
	i := &incoming{disk: d, path: d.current(), part: beside(d.current(), "old")} // not where new content may be coming in
	if err = i.drop(); err == nil {
		err = i.add(data)
	}
	if err == nil {
		err = i.settle()
	}
	if err != nil {
		err = errors.Join(err, i.drop())
	}
	return err
}

// withoutForks does something while no process is being started, or after forkWait all the same: an execution that
// hangs is being started all the time, and holds no file open that was opened since. The lock is asked for again and
// again, because who waits for it makes every execution that follows wait as well, and nothing else tells when it is
// free.
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

func removeDurably(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return syncFile(filepath.Dir(path))
}

// syncFile makes what was written to a file, or renamed or removed in a folder, survive a crash.
func syncFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
