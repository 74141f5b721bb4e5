package libvirt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A process is named by its number and the time it started, so that a number that was given again is not mistaken.
type process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks after the machine's boot: field 22 of /proc/<pid>/stat, see proc(5)
}

// lookUp names the process that has this number now.
func lookUp(pid int) (process, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	start, state, err := parseStat(text)
	if err != nil {
		return process{}, fmt.Errorf("process %d: %w", pid, err)
	}
	if state == "Z" || state == "X" {
		return process{}, fmt.Errorf("process %d: %w", pid, os.ErrProcessDone)
	}
	return process{PID: pid, Start: start}, nil
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

// alive tells whether the process still runs.
func (p process) alive() bool {
	now, err := lookUp(p.PID)
	return err == nil && now == p
}

// end ends the process: with SIGTERM and, when that has not helped within grace, with SIGKILL.
func (p process) end(ctx context.Context, grace time.Duration) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("end process %d: %w", p.PID, err)
	}
	defer unix.Close(fd)
	if !p.alive() { // checked after pidfd_open: from here on the descriptor cannot mean another process
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
			if n > 0 || !p.alive() {
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

// processesOf finds the processes of a run by what only they carry in their command line: a path in its work directory,
// or QEMU's name of one of its guests.
func processesOf(dir, runID string) ([]process, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var found []process
	for _, path := range stats {
		cmdline, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		args := strings.Split(string(cmdline), "\x00")
		if !slices.ContainsFunc([]string{"libvirtd", "virtlogd", "qemu-system-x86_64", "qemu-kvm", "kvm"},
			func(name string) bool { return filepath.Base(args[0]) == name }) {
			continue
		}
		if !slices.ContainsFunc(args, func(a string) bool {
			return strings.Contains(a, dir+"/") || strings.HasPrefix(a, "guest="+domainPrefix(runID))
		}) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if p, err := lookUp(pid); err == nil {
			found = append(found, p)
		}
	}
	return found, nil
}

// qemuCommandLine is the command line of the QEMU that runs this domain; nil when it cannot be had.
func qemuCommandLine(domain string) []string {
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		args := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
		if slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "guest="+domain+",") }) {
			return args
		}
	}
	return nil
}

// endProcesses ends what processesOf finds, until it finds no more.
func endProcesses(ctx context.Context, dir, runID string) error {
	for {
		found, err := processesOf(dir, runID)
		if err != nil || len(found) == 0 {
			return err
		}
		for _, p := range found {
			if err := p.end(ctx, 2*time.Second); err != nil {
				return err
			}
		}
	}
}

// machineBoot is the boot ID of the machine's kernel: process numbers mean nothing in another boot.
func machineBoot() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
