package libvirt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/rs/zerolog"

	"github.com/fleetfall/fleetfall/internal/daemonuri"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/cache"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/daemon"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/storage"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/workdir"
)

// A Leftover is what a run left whose process is gone.
type Leftover = workdir.Leftover

// Leftovers lists what runs left below workRoot ("" is DefaultWorkRoot), sorted by run ID. Runs that still run are not
// among them. It changes nothing.
func Leftovers(workRoot string) ([]Leftover, error) {
	return workdir.Leftovers(cmp.Or(workRoot, DefaultWorkRoot()))
}

// Collect removes what Leftovers finds: domains, QEMUs, private daemons and work directories. It returns the IDs of the
// runs that were removed, also when others could not be.
func Collect(ctx context.Context, workRoot string, log zerolog.Logger) (removed []string, err error) {
	found, err := Leftovers(workRoot)
	if err != nil {
		return nil, err
	}
	errs := []error{Promises(workRoot).Collect(ctx)}
	for _, l := range found {
		if err := collect(ctx, l, log); err != nil {
			errs = append(errs, fmt.Errorf("collect run %s: %w", l.RunID, err))
			continue
		}
		log.Info().Str("run", l.RunID).Str("dir", l.Dir).Str("why", l.Why).Msg("removed what a run left")
		removed = append(removed, filepath.Base(l.Dir))
	}
	return removed, errors.Join(errs...)
}

func collect(ctx context.Context, l Leftover, log zerolog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if l.RunID != "" {
		private := daemon.URI(l.Dir)
		uris := []string{private}
		switch {
		case l.URI != "":
			uris = []string{l.URI}
		case !l.Known:
			uris = append(uris, "qemu:///system")
		}
		for _, uri := range uris {
			// A daemon that is gone has no domain; a QEMU that outlived it is found by its command line.
			err := connect.Visit(ctx, uri, func(c *connect.Connection) error { return collectAt(ctx, c, l.Store, l.RunID) })
			if to, e := daemonuri.Parse(uri); err != nil && e == nil && to.Remote {
				// Only that daemon reaches what is left there: it stays to be found.
				return fmt.Errorf("%w; collect again once %s can be reached", err, uri)
			}
			if err != nil {
				log.Debug().Err(err).Str("run", l.RunID).Str("uri", uri).Msg("nothing collected through libvirt")
			}
		}
		if err := qemu.EndAll(ctx, l.Dir, l.RunID); err != nil {
			return err
		}
	}
	return os.RemoveAll(l.Dir)
}

// collectAt destroys every domain of a run that a daemon has and, where its machine is another one, removes the run's
// files.
func collectAt(ctx context.Context, c *connect.Connection, store, runID string) error {
	var domains []golibvirt.Domain
	err := c.Call(ctx, "list domains", connect.CallTime, func(l *golibvirt.Libvirt) (err error) {
		domains, _, err = l.ConnectListAllDomains(1, golibvirt.ConnectListDomainsActive)
		return err
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, d := range domains {
		if !strings.HasPrefix(d.Name, qemu.DomainPrefix(runID)) {
			continue
		}
		err := c.Call(ctx, "destroy domain "+d.Name, connect.CreateTime, func(l *golibvirt.Libvirt) error { return l.DomainDestroy(d) })
		if err != nil && !connect.IsGone(err) {
			errs = append(errs, err)
		}
	}
	if c.URI().Remote {
		s, err := storage.OpenStore(ctx, c, store)
		if err == nil {
			err = s.RemoveAll(ctx, func(name string) bool { return vm.OfRun(name, runID) })
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// CacheLeftovers lists what killed runs left in the cache (Config.Cache), sorted: templates and verdicts that are not
// whole. It changes nothing. While a run writes to the cache it lists nothing.
func CacheLeftovers(dir string) ([]string, error) { return cache.Leftovers(dir) }

// RemoveCacheLeftovers removes what CacheLeftovers lists, and returns what it has removed.
func RemoveCacheLeftovers(dir string) ([]string, error) { return cache.RemoveLeftovers(dir) }

// left is Driver's Leftovers.
func left(cache string) ([]string, error) {
	var lines []string
	runs, err := Leftovers("")
	for _, l := range runs {
		lines = append(lines, fmt.Sprintf("what run %s left in %s: %s", l.RunID, l.Dir, l.Why))
	}
	templates, templatesErr := CacheLeftovers(cache)
	return append(lines, unfinished(templates)...), errors.Join(err, templatesErr)
}

// removeLeft is Driver's Collect.
func removeLeft(ctx context.Context, cache string, log zerolog.Logger) ([]string, error) {
	lines, err := Collect(ctx, "", log)
	templates, templatesErr := RemoveCacheLeftovers(cache)
	return append(lines, unfinished(templates)...), errors.Join(err, templatesErr)
}

// unfinished says of what these files are.
func unfinished(paths []string) []string {
	var lines []string
	for _, path := range paths {
		lines = append(lines, "what a killed run left unfinished: "+path)
	}
	return lines
}
