package admission

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// locked calls f while this ledger's lock is held. Afterwards a directory without promises is removed.
func (l Ledger) locked(ctx context.Context, f func() error) (err error) {
	lock, err := l.lock(ctx)
	if err != nil {
		return fmt.Errorf("lock the promises of memory: %w", err)
	}
	defer func() {
		l.removeEmpty()
		err = errors.Join(err, lock.Close()) // which unlocks
	}()
	return f()
}

// lockedIfThere is locked, or nothing when the directory is not there.
func (l Ledger) lockedIfThere(ctx context.Context, f func() error) error {
	if _, err := os.Lstat(l.Dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return l.locked(ctx, f)
}

// lock makes the directory, and waits for its lock until ctx ends.
func (l Ledger) lock(ctx context.Context) (*os.File, error) {
	path := filepath.Join(l.Dir, lockFile)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(l.Dir, 0o700); err != nil {
			return nil, err
		}
		info, err := os.Lstat(l.Dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the last user of it has just removed it
		}
		if err != nil {
			return nil, err
		}
		if !info.IsDir() || !isOurs(info) || info.Mode().Perm()&0o022 != 0 {
			return nil, fmt.Errorf("%s must be a directory that belongs to user %d and that nobody else may write in", l.Dir, os.Getuid())
		}
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := wait(ctx, file); err != nil {
			return nil, err
		}
		// Who had the lock before may have removed the file: then this lock is on nothing that others see.
		locked, err := file.Stat()
		if err != nil {
			return nil, errors.Join(err, file.Close())
		}
		if now, err := os.Lstat(path); err == nil && os.SameFile(locked, now) {
			return file, nil
		}
		if err := file.Close(); err != nil {
			return nil, err
		}
	}
}

// wait locks the file. It closes the file when it fails.
func wait(ctx context.Context, file *os.File) error {
	done := make(chan error, 1)
	fd := int(file.Fd())
	go func() {
		for {
			err := syscall.Flock(fd, syscall.LOCK_EX)
			if !errors.Is(err, syscall.EINTR) {
				done <- err
				return
			}
		}
	}()
	select {
	case err := <-done:
		if err != nil {
			return errors.Join(err, file.Close())
		}
		return nil
	case <-ctx.Done():
		// The call cannot be taken back: it ends once the other run lets go, and then the file is closed.
		go func() {
			<-done
			_ = file.Close() // nothing was written
		}()
		return ctx.Err()
	}
}

// removeEmpty removes the directory when nothing but the lock is in it.
func (l Ledger) removeEmpty() {
	entries, err := os.ReadDir(l.Dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != lockFile {
		return
	}
	// Whoever waits for this lock sees that the file is gone, and begins anew.
	if os.Remove(filepath.Join(l.Dir, lockFile)) == nil {
		_ = os.Remove(l.Dir) // fails, rightly, when somebody has begun anew already
	}
}
