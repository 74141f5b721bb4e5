package admission

import (
	"bytes"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// underCgroups is how much memory the control groups of a process leave of what the machine has, in bytes: a container is
// often allowed less than the machine's memory, and /proc/meminfo does not say so. Root is where the second version of
// control groups is mounted, own the text of /proc/self/cgroup; see cgroups(7). A group that sets no limit, or does not tell,
// leaves all.
func underCgroups(root string, own []byte, total, available int64) (int64, int64) {
	group := ""
	for line := range bytes.Lines(own) {
		if rest, found := bytes.CutPrefix(line, []byte("0::/")); found {
			group = path.Clean("/" + strings.TrimSpace(string(rest)))
		}
	}
	if group == "" {
		return total, available
	}
	// The limits of all groups around it hold too. Seen from a container its own group may be the root.
	for ; ; group = path.Dir(group) {
		dir := filepath.Join(root, group)
		limit := sizeIn(filepath.Join(dir, "memory.max"))
		current := sizeIn(filepath.Join(dir, "memory.current"))
		if limit < math.MaxInt64 && current < math.MaxInt64 {
			total = min(total, limit)
			available = min(available, max(0, limit-current+idlePages(filepath.Join(dir, "memory.stat"))))
		}
		if group == "/" {
			return total, available
		}
	}
}

// sizeIn reads a file with one number; one that is not there or says "max" is as good as no limit.
func sizeIn(file string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n < 0 {
		return math.MaxInt64
	}
	return n
}

// idlePages is the memory that holds pages of files which nobody has used lately, in bytes: the group gives them up when it
// needs memory.
func idlePages(file string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if rest, found := bytes.CutPrefix(line, []byte("inactive_file ")); found {
			n, err := strconv.ParseInt(strings.TrimSpace(string(rest)), 10, 64)
			if err != nil || n < 0 {
				return 0
			}
			return n
		}
	}
	return 0
}
