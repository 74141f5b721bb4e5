package qemu

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// An Activity is what a QEMU has done so far.
type Activity struct {
	state   string                // of its process, see proc(5); "" where that is not known
	waiting map[int]time.Duration // by thread: for a CPU, while it could have run
}

// ActivityOf looks at a process; what cannot be seen is left out.
func ActivityOf(pid int) Activity {
	var a Activity
	dir := "/proc/" + strconv.Itoa(pid)
	text, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return a
	}
	if _, rest, ok := cutLast(string(text), ") "); ok {
		a.state, _, _ = strings.Cut(rest, " ")
	}
	threads, err := os.ReadDir(filepath.Join(dir, "task"))
	if err != nil {
		return a
	}
	a.waiting = map[int]time.Duration{}
	for _, t := range threads {
		// The second number is the time in a queue, in ns: see the kernel's Documentation/scheduler/sched-stats.rst.
		text, err := os.ReadFile(filepath.Join(dir, "task", t.Name(), "schedstat"))
		if err != nil {
			continue
		}
		var ran, waited int64
		id, err := strconv.Atoi(t.Name())
		if n, _ := fmt.Sscan(string(text), &ran, &waited); n == 2 && err == nil {
			a.waiting[id] = time.Duration(waited)
		}
	}
	return a
}

// Idle tells why a VM could not run between two looks; nil when it could.
func Idle(before, after Activity, between time.Duration, monitor error) error {
	for _, look := range []Activity{before, after} {
		if look.state == "T" || look.state == "t" {
			return fmt.Errorf("somebody has stopped QEMU (its process is in state %s)", look.state)
		}
	}
	for thread, waited := range after.waiting {
		if was, known := before.waiting[thread]; known && waited-was > between*9/10 {
			return fmt.Errorf("QEMU waited for a CPU for %v of %v", (waited - was).Round(100*time.Millisecond), between.Round(100*time.Millisecond))
		}
	}
	return monitor
}
