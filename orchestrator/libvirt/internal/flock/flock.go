// Package flock locks files, see flock(2).
package flock

import (
	"errors"
	"os"
	"syscall"
)

// How a file is locked.
const (
	Shared = syscall.LOCK_SH
	Alone  = syscall.LOCK_EX
)

// Wait locks a file as how says, and waits for that.
func Wait(file *os.File, how int) error {
	for {
		if err := syscall.Flock(int(file.Fd()), how); !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("flock", err)
		}
	}
}

// Try locks a file alone, and tells whether it could do so at once.
func Try(file *os.File) (locked bool, err error) {
	err = syscall.Flock(int(file.Fd()), Alone|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}
