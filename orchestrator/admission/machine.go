package admission

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// enoughFiles is as many open files as this process asks for: room for thousands of hosts. No more than that, because
// programs that libvirt starts clear a table as large as the limit, which may be a thousand million in a container.
const enoughFiles = 1 << 16

// ThisMachine describes the machine that this process runs on, or as much of it as its container may have, without promises
// to other runs. Its Files are those of this process, which a private daemon inherits; of a daemon that somebody else has
// started they say nothing.
func ThisMachine() (Machine, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return Machine{}, fmt.Errorf("read this machine's memory: %w", err)
	}
	total, available, err := parseMeminfo(text)
	if err != nil {
		return Machine{}, err
	}
	if own, err := os.ReadFile("/proc/self/cgroup"); err == nil { // a kernel without control groups has no such file
		total, available = underCgroups("/sys/fs/cgroup", own, total, available)
	}
	files, err := OpenFiles()
	if err != nil {
		return Machine{}, err
	}
	return Machine{
		Total: total, Available: available, Reserved: Reserve(total), CPUs: runtime.NumCPU(), Files: files,
	}, nil
}

// parseMeminfo reads /proc/meminfo, see proc(5).
func parseMeminfo(text []byte) (total, available int64, err error) {
	if total, err = kilobytes(text, "MemTotal"); err == nil {
		available, err = kilobytes(text, "MemAvailable")
	}
	if err != nil {
		return 0, 0, fmt.Errorf("/proc/meminfo: %w", err)
	}
	return total, available, nil
}

// kilobytes reads a line "name:   123 kB", as /proc writes sizes, and returns bytes.
func kilobytes(text []byte, name string) (int64, error) {
	for line := range bytes.Lines(text) {
		rest, found := bytes.CutPrefix(line, []byte(name+":"))
		if !found {
			continue
		}
		number, isSize := strings.CutSuffix(strings.TrimSpace(string(rest)), " kB")
		n, err := strconv.ParseInt(number, 10, 64)
		if !isSize || err != nil || n < 0 || n > 1<<50 {
			return 0, fmt.Errorf("%s: malformed size %q", name, rest)
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("no %s", name)
}

// OpenFiles is how many files this process, and what it starts from now on, may have open. It raises the limit as far as
// the user may, up to what is enough for any fleet.
//
// Go has raised the limit already, for this process alone: what a program of Go's starts has the former limit until the
// program sets one itself.
func OpenFiles() (int64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the limit on open files: %w", err)
	}
	limit.Cur = min(limit.Max, enoughFiles)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("raise the limit on open files to %d: %w", limit.Cur, err)
	}
	return int64(limit.Cur), nil
}
