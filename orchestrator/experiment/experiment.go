// Package experiment runs a whole plan on VMs: it makes the image, opens the hypervisor, runs trial after trial into one
// journal, and computes the results from that journal. It is where the rooms meet; it decides nothing itself.
package experiment

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/report"
	"github.com/fleetfall/fleetfall/scenarios"
	"github.com/fleetfall/fleetfall/vmimages"
)

// closeWithin bounds the time that a fleet or hypervisor has to close once nobody waits for it any more.
const closeWithin = 20 * time.Second

// Config says what to run, where, and who is told.
type Config struct {
	Plan    *scenarios.Plan
	Results string // directory of results, e.g. "results"
	URI     string // of the libvirt daemon; "" for a private one
	Cache   string // of images
	Version string // of fleetfall, for provenance
	Log     zerolog.Logger
	Step    func(string)                // told of each step before the first trial, may be nil
	Watch   func(orchestrator.Progress) // told of each change in a trial, may be nil
}

// Finished is what a run that came to an end, of whatever kind, has left.
type Finished struct {
	Dir     string // of the run
	Results *results.Results
}

// Run runs the plan. Whatever is known when it ends, also by an error or by ctx, is in the run's directory; Finished is
// nil only when nothing was begun.
//
// The error is ctx's when the run was interrupted, a *libvirt.PrerequisiteError when the machine lacks something, a
// *results.JournalError when the journal could not be kept, or another failure of the testbed.
func Run(ctx context.Context, cfg Config) (*Finished, error) {
	if cfg.Step == nil {
		cfg.Step = func(string) {}
	}
	if err := CheckMemory(cfg.Plan); err != nil {
		return nil, err
	}
	images := map[string]vmimages.Image{}
	for _, c := range cfg.Plan.Cells {
		if _, ok := images[c.Fleet.Image]; ok {
			continue
		}
		image, err := vmimages.Build(ctx, c.Fleet.Image, vmimages.Options{Cache: cfg.Cache, Log: cfg.Step})
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", c.Fleet.Image, err)
		}
		images[c.Fleet.Image] = image
	}

	started := time.Now()
	id := newRunID()
	dir, err := results.CreateRunDir(cfg.Results, cfg.Plan.Scenario, id, started)
	if err != nil {
		return nil, err
	}
	cfg.Step("run " + id + " in " + dir)
	r := &run{Config: cfg, id: id, dir: dir, images: images, started: started}
	err = r.run(ctx)
	if r.journal == nil {
		// Nothing was begun: the directory holds nothing to keep.
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	finished, reportErr := report.Files(dir)
	return &Finished{Dir: dir, Results: finished}, errors.Join(err, reportErr)
}

// newRunID is a short random name that domains and directories of the run carry.
func newRunID() string {
	return strings.ToLower(rand.Text()[:8])
}

// A run is one call of Run.
type run struct {
	Config
	id      string
	dir     string
	images  map[string]vmimages.Image
	started time.Time
	journal *results.Writer
}

func (r *run) run(ctx context.Context) (err error) {
	r.Step("starting libvirt")
	hypervisor, err := libvirt.Open(ctx, libvirt.Config{RunID: r.id, URI: r.URI, RunDir: r.dir, Cache: r.Cache, Log: r.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closing(ctx, hypervisor.Close)) }()
	for _, name := range slices.Sorted(maps.Keys(r.images)) {
		r.Step("probing the accelerator with image " + name)
		accelerator, err := hypervisor.Probe(ctx, r.images[name])
		if err != nil {
			return err
		}
		r.Step(fmt.Sprintf("accelerator %s: %s", accelerator.Name, accelerator.Reason))
	}
	load := startLoad()
	r.journal, err = results.Create(filepath.Join(r.dir, results.JournalFile), results.Header{
		RunID: r.id, Started: r.started, Plan: r.Plan, Provenance: r.provenance(hypervisor.Facts()),
	})
	if err != nil {
		return err
	}
	status, reason := "complete", ""
	if err = results.PointLatest(r.Results, r.dir); err == nil {
		err = r.trials(ctx, hypervisor)
	}
	switch {
	case ctx.Err() != nil:
		status, reason = "interrupted", context.Cause(ctx).Error()
	case err != nil:
		status, reason = "failed", err.Error()
	}
	ending := results.Ending{Duration: time.Since(r.started), Facts: load.facts()}
	if line := hypervisor.Facts().CommandLine; len(line) > 0 {
		ending.Facts = append(ending.Facts, results.Fact{Name: "QEMU command line", Value: strings.Join(line, " ")})
	}
	return errors.Join(err, r.journal.End(status, reason, ending), r.journal.Close())
}

func (r *run) trials(ctx context.Context, hypervisor *libvirt.Hypervisor) error {
	for _, trial := range orchestrator.Trials(r.Plan) {
		if err := r.trial(ctx, hypervisor, trial); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) trial(ctx context.Context, hypervisor *libvirt.Hypervisor, trial orchestrator.Trial) (err error) {
	rec, err := r.journal.Trial(trial.Number, results.TrialHeader{
		Cell: trial.Cell.ID, Repeat: trial.Repeat, Seed: trial.Seed, Hosts: trial.Hosts,
	})
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s-%d", strings.ReplaceAll(trial.Cell.ID, "/", "_"), trial.Repeat)
	f, err := hypervisor.NewFleet(libvirt.FleetConfig{
		Cell: name, Hosts: trial.Hosts, Images: r.images, ConsoleDir: filepath.Join(r.dir, results.HostsDir, name),
	})
	if err != nil {
		return errors.Join(err, rec.End(0, orchestrator.Invalid, err.Error()))
	}
	defer func() { err = errors.Join(err, closing(ctx, f.Close)) }()
	_, err = trial.Run(ctx, f, rec, r.Watch)
	return err
}

// closing calls a Close also when ctx has ended, within bounds of its own.
func closing(ctx context.Context, close func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	return close(ctx)
}
