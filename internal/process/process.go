// Package process names processes so that a number that was given again is not mistaken for the process that had it
// before, finds them by their command lines, and ends them.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// An ID names a process by its number and the time it started. It means nothing in another boot of the machine.
type ID struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks after the machine's boot: field 22 of /proc/<pid>/stat, see proc(5)
}

// LookUp names the process that has this number now. One that has ended and was not waited for is an os.ErrProcessDone,
// a number that nobody has an os.ErrNotExist.
func LookUp(pid int) (ID, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ID{}, err
	}
	start, state, err := parseStat(text)
	if err != nil {
		return ID{}, fmt.Errorf("process %d: %w", pid, err)
	}
	if state == "Z" || state == "X" {
		return ID{}, fmt.Errorf("process %d: %w", pid, os.ErrProcessDone)
	}
	return ID{PID: pid, Start: start}, nil
}

// parseStat reads the start time and the state out of /proc/<pid>/stat, whose second field, the program's name in
// parentheses, may itself hold anything.
func parseStat(text []byte) (start uint64, state string, err error) {
	end := bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[end+1:]))
	if end < 0 || len(fields) < 20 {
		return 0, "", fmt.Errorf("malformed stat %q", text)
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	return start, fields[0], err
}

// Alive tells whether the process still runs.
func (p ID) Alive() bool {
	now, err := LookUp(p.PID)
	return err == nil && now == p
}

// End ends the process: with SIGTERM and, when that has not helped within grace, with SIGKILL.
func (p ID) End(ctx context.Context, grace time.Duration) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("end process %d: %w", p.PID, err)
	}
	defer unix.Close(fd)
	if !p.Alive() { // checked after pidfd_open: from here on the descriptor cannot mean another process
		return nil
	}
	deadline := time.Now().Add(grace)
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("end process %d: %w", p.PID, err)
		}
		for ctx.Err() == nil {
			left := 5 * time.Second
			if signal == unix.SIGTERM {
				left = max(0, time.Until(deadline))
			}
			// Short turns, so that ctx is heeded.
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(min(left, 100*time.Millisecond).Milliseconds()))
			if n > 0 || !p.Alive() {
				return nil
			}
			if err != nil && !errors.Is(err, unix.EINTR) {
				return fmt.Errorf("wait for process %d: %w", p.PID, err)
			}
			if signal == unix.SIGTERM && left == 0 {
				break
			}
		}
	}
	return fmt.Errorf("end process %d: %w", p.PID, ctx.Err())
}

// A Running process is one that Find has found.
type Running struct {
	ID
	Args []string // its command line, with the program; never empty
}

// Find returns the processes whose command line matches, in no order. One that ends meanwhile is left out.
func Find(match func(args []string) bool) ([]Running, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var found []Running
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil || len(text) == 0 {
			continue // it ended meanwhile, or is a thread of the kernel
		}
		args := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
		if !match(args) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if id, err := LookUp(pid); err == nil {
			found = append(found, Running{ID: id, Args: args})
		}
	}
	return found, nil
}

// MachineBoot is the boot ID of the machine's kernel; "" when it cannot be had.
func MachineBoot() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
