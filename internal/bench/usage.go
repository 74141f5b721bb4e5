package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// userHertz is the unit of times in /proc, in ticks a second: the same on every Linux on x86.
const userHertz = 100

// cpuTime is how much CPU time a process has used, with its children that have ended and that it has waited for.
func cpuTime(pid int) (time.Duration, error) {
	// The clock of a process is exact where stat counts in hundredths of a second, which is much of what starting a copy
	// costs. Its number is made as clock_getcpuclockid(3) makes it.
	const scheduled = 2
	var own unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &own); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	path := fmt.Sprintf("/proc/%d/stat", pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	children, err := parseChildren(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return time.Duration(own.Nano()) + children, nil
}

// parseChildren reads cutime and cstime out of /proc/<pid>/stat, see proc(5). The second field, the program's name in
// parentheses, may itself hold anything.
func parseChildren(stat []byte) (time.Duration, error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks uint64
	for _, i := range []int{13, 14} { // fields 16 and 17 of the whole line
		if i >= len(fields) {
			return 0, fmt.Errorf("malformed stat %q", stat)
		}
		n, err := strconv.ParseUint(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("malformed stat %q: %w", stat, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / userHertz, nil
}

// proportionalMemory is the memory of a process in bytes, where a page that n processes share counts as an n-th.
func proportionalMemory(pid int) (int64, error) {
	path := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	pss, err := parsePss(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return pss, nil
}

// parsePss reads the line "Pss:   123 kB" of a smaps_rollup.
func parsePss(text []byte) (int64, error) {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no Pss in %q", text)
}
