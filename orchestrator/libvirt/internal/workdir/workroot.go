package workdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/flock"
)

// DefaultRoot is where the work directories of this user's runs are: on a disk, unlike /tmp, which may be memory,
// with a short path, because unix sockets live there, and open to the account that QEMU runs under, unlike home.
func DefaultRoot() string { return "/var/tmp/fleetfall-" + strconv.Itoa(os.Getuid()) }

// lockRoot opens the root of work directories and locks it, after making it when that is asked for: nobody else makes
// or removes anything in it until it is closed. Those who lock it have little to do.
func lockRoot(root string, create bool) (*os.File, error) {
	for {
		if create {
			if err := makeRoot(root); err != nil {
				return nil, err
			}
		}
		dir, err := os.Open(root)
		if create && errors.Is(err, fs.ErrNotExist) {
			continue // another run has just removed it
		}
		if err != nil {
			return nil, err
		}
		locked, err := dir.Stat()
		if err == nil {
			err = flock.Wait(dir, flock.Alone)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", root, err), dir.Close())
		}
		if now, err := os.Lstat(root); err == nil && os.SameFile(locked, now) {
			return dir, nil
		}
		_ = dir.Close() // it is another's now, or a link, which checkOurs refuses
		if info, err := os.Lstat(root); err == nil && !info.IsDir() {
			return nil, checkOurs(root)
		}
	}
}

// makeRoot makes the root of work directories, if it is not there.
func makeRoot(root string) error {
	err := os.MkdirAll(filepath.Dir(root), 0o755)
	if err == nil {
		err = os.Mkdir(root, 0o711)
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) { // which another run has just made, or removed
		return nil
	}
	return err
}

// takenAccounts are those of runs whose work directories are there, also when they were killed.
func takenAccounts(root string) ([]int, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	var taken []int
	for _, e := range entries {
		if o, err := ReadOwner(filepath.Join(root, e.Name())); err == nil && o.Account != 0 {
			taken = append(taken, o.Account)
		}
	}
	return taken, nil
}

// checkOurs refuses a root that somebody else made or may write in: it is at a known place in a directory for
// everybody.
func checkOurs(root string) error {
	info, err := os.Lstat(root)
	if err != nil {
		return fmt.Errorf("work root: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(stat.Uid) != os.Getuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("work root %s must be a directory that belongs to user %d and that nobody else may write in", root, os.Getuid())
	}
	return nil
}

// RoomAt is how many bytes are free where a file is, or will be made.
func RoomAt(path string) (int64, error) {
	for dir := path; ; dir = filepath.Dir(dir) {
		var s unix.Statfs_t
		err := unix.Statfs(dir, &s)
		if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
			continue // it is made there
		}
		if err != nil {
			return 0, fmt.Errorf("look at the disk of %s: %w", dir, err)
		}
		return max(1, int64(s.Bavail)*s.Bsize), nil // not 0, which says that it is not known
	}
}
