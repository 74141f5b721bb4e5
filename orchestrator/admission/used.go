package admission

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/fleetfall/fleetfall/internal/process"
)

// measure sets how much of each promise is used: by the processes that have the run's ID in their command line, as its
// QEMUs have.
func measure(promises []Promise) error {
	if len(promises) == 0 {
		return nil
	}
	// of is the promise that a process belongs to, or -1.
	of := func(args []string) int {
		return slices.IndexFunc(promises, func(p Promise) bool {
			return slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, p.Run) })
		})
	}
	found, err := process.Find(func(args []string) bool { return of(args) >= 0 })
	if err != nil {
		return fmt.Errorf("find the processes of other runs: %w", err)
	}
	for _, p := range found {
		promises[of(p.Args)].Used += used(p.PID)
	}
	return nil
}

// used is the memory, in bytes, that a process has taken from what is available: its own pages and its part of the pages of
// shared memory. Pages of files are not counted, because the machine counts them as available. Of a process that may not
// be looked at in such detail only its own pages are known. Zero for a process that has ended.
func used(pid int) int64 {
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid)); err == nil {
		own, ownErr := kilobytes(text, "Pss_Anon")
		shared, sharedErr := kilobytes(text, "Pss_Shmem")
		if ownErr == nil && sharedErr == nil {
			return own + shared
		}
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	own, err := kilobytes(text, "RssAnon")
	if err != nil {
		return 0
	}
	return own
}
