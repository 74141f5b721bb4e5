package admission

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestWaitForTheLock(t *testing.T) {
	l := Ledger{Dir: t.TempDir()}
	if err := os.Chmod(l.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err := l.Reserve(t.Context(), "holder", func([]Promise) (int64, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := l.Reserve(ctx, "waiter", promise(1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while another has the lock: %v", err)
		}
		return 1, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// What gave up waiting must not keep the lock that it gets later.
	if err := l.Reserve(t.Context(), "waiter", promise(1)); err != nil {
		t.Error(err)
	}
}

// TestLockFileReplaced has a run wait for a lock whose file is removed meanwhile, and made anew by a third: the lock that it
// then gets is worth nothing.
func TestLockFileReplaced(t *testing.T) {
	l := Ledger{Dir: filepath.Join(t.TempDir(), "promises")}
	path := filepath.Join(l.Dir, lockFile)
	admitted := make(chan error, 1)
	var third *os.File
	err := l.Reserve(t.Context(), "holder", func([]Promise) (int64, error) {
		go func() { admitted <- l.Reserve(t.Context(), "waiter", promise(1)) }()
		if !awaitWaiting(t, path, admitted) {
			t.Error("a run did not wait for the lock")
		}
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
		var err error
		if third, err = os.Create(path); err == nil {
			err = syscall.Flock(int(third.Fd()), syscall.LOCK_EX)
		}
		return 1, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !awaitWaiting(t, path, admitted) {
		t.Error("a run went on while a third had the lock")
	}
	if err := third.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-admitted; err != nil {
		t.Error(err)
	}
}

// awaitWaiting waits until somebody waits for the lock on this file; false when done comes first, which it leaves there.
func awaitWaiting(t *testing.T, path string, done chan error) bool {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	inode := fmt.Sprintf(":%d ", info.Sys().(*syscall.Stat_t).Ino)
	for t.Context().Err() == nil && len(done) == 0 {
		locks, err := os.ReadFile("/proc/locks")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(locks)) {
			if strings.Contains(line, "-> FLOCK") && strings.Contains(line, inode) {
				return true
			}
		}
	}
	return false
}
