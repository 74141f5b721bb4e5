// Package qemu finds the processes of QEMU, inherits them and looks at them: how they ended, what memory they have,
// whether they got to run.
package qemu

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/internal/process"
)

// OfRun finds the processes of a run by what only they carry in their command line: a path in its work directory,
// or QEMU's name of one of its guests. A daemon that starts asks every QEMU there is what it can do, those of other
// processors too.
func OfRun(dir, runID string) ([]process.Running, error) {
	programs := []string{"libvirtd", "virtlogd", "kvm"}
	return process.Find(func(args []string) bool {
		program := filepath.Base(args[0])
		if !slices.Contains(programs, program) && !strings.HasPrefix(program, "qemu-") {
			return false
		}
		return slices.ContainsFunc(args, func(a string) bool {
			return strings.Contains(a, dir+"/") || strings.HasPrefix(a, "guest="+DomainPrefix(runID))
		})
	})
}

// OfDomain finds the QEMU that runs this domain.
func OfDomain(domain string) (process.Running, error) {
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

// EndAll ends what OfRun finds, until it finds no more. One that cannot be ended in time keeps no other from its end.
func EndAll(ctx context.Context, dir, runID string) error {
	for {
		found, err := OfRun(dir, runID)
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

// DomainPrefix begins the name of every domain of a run.
func DomainPrefix(runID string) string { return "ff-" + runID + "-" }
