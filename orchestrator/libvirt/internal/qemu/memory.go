package qemu

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// PrivateMemory is how many bytes of memory the QEMU of a domain has that it shares with nobody. A guest's memory
// that is a file is among them where the guest has written to a copy of it, and not where it writes to the file
// itself.
func PrivateMemory(domain string) (int64, error) {
	qemu, err := OfDomain(domain)
	if err != nil {
		return 0, err
	}
	path := fmt.Sprintf("/proc/%d/smaps_rollup", qemu.PID)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	// See proc(5). Pages of a mapped file that were written to count as private, whether they go to the file or not, so
	// anonymous ones are what is looked at.
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "Anonymous:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("%s says nothing of anonymous memory", path)
}

// OOMKills is how many processes the kernel of this machine has killed for memory since it started.
func OOMKills() int {
	text, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(value))
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}
