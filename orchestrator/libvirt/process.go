package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/internal/process"
)

// processesOf finds the processes of a run by what only they carry in their command line: a path in its work directory,
// or QEMU's name of one of its guests. A daemon that starts asks every QEMU there is what it can do, those of other
// processors too.
func processesOf(dir, runID string) ([]process.Running, error) {
	programs := []string{"libvirtd", "virtlogd", "kvm"}
	return process.Find(func(args []string) bool {
		program := filepath.Base(args[0])
		if !slices.Contains(programs, program) && !strings.HasPrefix(program, "qemu-") {
			return false
		}
		return slices.ContainsFunc(args, func(a string) bool {
			return strings.Contains(a, dir+"/") || strings.HasPrefix(a, "guest="+domainPrefix(runID))
		})
	})
}

// qemuOf finds the QEMU that runs this domain.
func qemuOf(domain string) (process.Running, error) {
	found, err := process.Find(func(args []string) bool {
		return slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "guest="+domain+",") })
	})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("no QEMU of domain %s", domain)
	}
	if err != nil {
		return process.Running{}, err
	}
	return found[0], nil
}

// privateMemory is how many bytes of memory the QEMU of a domain has that it shares with nobody. A guest's memory that is
// a file is among them where the guest has written to a copy of it, and not where it writes to the file itself.
func (h *Hypervisor) privateMemory(domain string) (int64, error) {
	if h.remote() {
		return 0, errors.New("QEMU runs on another machine")
	}
	qemu, err := qemuOf(domain)
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

// endProcesses ends what processesOf finds, until it finds no more. One that cannot be ended in time keeps no other from its end.
func endProcesses(ctx context.Context, dir, runID string) error {
	for {
		found, err := processesOf(dir, runID)
		if err != nil || len(found) == 0 {
			return err
		}
		var errs []error
		for _, p := range found {
			errs = append(errs, p.End(ctx, 2*time.Second))
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
}

// domainPrefix begins the name of every domain of a run.
func domainPrefix(runID string) string { return "ff-" + runID + "-" }
