// Package experiment runs a whole plan: it makes the images, opens the backend that the plan names, runs the trials, as
// many side by side as the machine has room for, into one journal, and computes the results from that journal. It is
// where the rooms meet; it decides nothing itself.
package experiment

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/draw"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/report"
	"github.com/fleetfall/fleetfall/scenarios"
	"github.com/fleetfall/fleetfall/vmimages"
)

// closeWithin bounds the time that a fleet or backend has to close once nobody waits for it any more: longer than what
// it reaches may be away.
const closeWithin = time.Minute

// Config says what to run, where, and who is told.
type Config struct {
	Plan    *scenarios.Plan // nil when a run is resumed
	Results string          // directory of results, e.g. "results"
	Resume  string          // directory of a run that did not come to its end, to go on with it; "" begins a new one
	Verify  bool            // run each trial twice, the second time under load; of a resumed run its journal says so
	Shard   *results.Shard  // run this part of the trials alone; nil for all; of a resumed run its journal says so
	AtOnce  int             // trials under way at a time, at most; 0: as many as keep the CPUs busy
	URI     string          // where the hosts are to run; "" leaves it to the backend
	Cache   string          // of images
	Recipes fs.FS           // of images; those that are shipped when nil
	Version string          // of fleetfall, for provenance
	Log     zerolog.Logger

	Backends []backend.Driver // that the plan can name; nil: those of Backends()

	Step  func(string)                // told of each step before the first trial, may be nil
	Begin func([]orchestrator.Trial)  // told which trials are to be run, in order, before the first; may be nil
	Watch func(orchestrator.Progress) // told of each change in a trial, and of each second of its clock, one after the other; may be nil
}

// Finished is what a run that came to an end, of whatever kind, has left.
type Finished struct {
	Dir     string // of the run
	Results *results.Results
	Trials  int // that the run has in all, second ones included; 0 when it did not come to that
	Ended   int // of those, that came to an end and need not be run again
}

// Run runs the plan, or what is left of the run that is resumed. Whatever is known when it ends, also by an error or by
// ctx, is in the run's directory; Finished is nil only when nothing was begun.
//
// The error is ctx's when the run was interrupted, a *backend.PrerequisiteError when the machine lacks something, a
// *results.JournalError when the journal could not be kept or not be taken up again, or another failure of the testbed.
func Run(ctx context.Context, cfg Config) (*Finished, error) {
	if cfg.Step == nil {
		cfg.Step = func(string) {}
	}
	if cfg.Begin == nil {
		cfg.Begin = func([]orchestrator.Trial) {}
	}
	if cfg.Backends == nil {
		cfg.Backends = Backends()
	}
	r := &run{Config: cfg, id: newRunID(), images: map[string]vmimages.Image{}, started: time.Now(), consoles: map[string]int{}, shard: cfg.Shard}
	err := r.prepare(ctx)
	if err == nil {
		err = r.run(ctx)
	}
	if !r.begun {
		return nil, errors.Join(err, r.abandon())
	}
	finished, reportErr := report.Files(r.dir)
	return &Finished{Dir: r.dir, Results: finished, Trials: r.all, Ended: r.ended}, errors.Join(err, reportErr)
}

// newRunID is a short random name that domains and directories of the run carry.
func newRunID() string {
	return strings.ToLower(rand.Text()[:8])
}

// A run is one call of Run.
type run struct {
	Config
	id       string // in the names of its domains and of its work directory; of a new run, its name too
	dir      string
	images   map[string]vmimages.Image
	driver   backend.Driver
	backend  backend.Backend // once it is open
	takes    map[backend.Kind]backend.Takes
	placed   map[string][][]string // by a cell's ID: for each wave, the machine of each host
	verify   *results.Verify       // nil when trials are run once
	shard    *results.Shard        // nil when all trials are run
	waves    map[string]int        // parts of a cell's fleet, by its ID, where there is more than one
	atOnce   int                   // trials that may be under way at a time
	started  time.Time
	before   *results.Journal // of a run that is resumed, as far as it came; nil for a new one
	journal  *results.Writer
	begun    bool           // something of this call is in the journal
	number   int            // of the latest trial
	all      int            // trials that the run has, second ones included
	ended    int            // of those, that need not be run again
	consoles map[string]int // the trial whose consoles are in a directory, by its name
	spent    spending
	telling  sync.Mutex // held by the trial that tells Watch
}

// prepare does all that needs no backend.
func (r *run) prepare(ctx context.Context) (err error) {
	if r.Resume != "" {
		if err := r.takeUp(); err != nil {
			return err
		}
	}
	if err := r.checkVerify(); err != nil {
		return err
	}
	if r.shard != nil {
		if _, err := orchestrator.Share(orchestrator.Trials(r.Plan, nil), *r.shard); err != nil {
			return err
		}
	}
	if r.driver, err = choose(r.Backends, r.Plan); err != nil {
		return err
	}
	if r.before == nil && r.URI == "" {
		// What cannot fit here is refused at once. Whether the rest does is known when the machines are, and what a host
		// takes.
		if _, err := Admit(r.Plan, r.Backends); err != nil {
			return err
		}
	}
	for _, c := range r.Plan.Cells {
		if _, ok := r.images[c.Fleet.Image]; ok || !r.driver.Images {
			continue
		}
		image, err := vmimages.Build(ctx, c.Fleet.Image, vmimages.Options{Cache: r.Cache, Recipes: r.Recipes, Log: r.Step})
		if err != nil {
			return fmt.Errorf("image %s: %w", c.Fleet.Image, err)
		}
		r.images[c.Fleet.Image] = image
	}
	if err := CanRun(r.Plan, r.images); err != nil {
		return err
	}
	if r.before != nil {
		return r.sameImages()
	}
	dir, err := results.CreateRunDir(r.Results, r.Plan.Scenario, r.id, r.started)
	if err != nil {
		return err
	}
	r.dir = dir
	r.Step("run " + r.id + " in " + dir)
	return nil
}

// abandon leaves everything as it was before a run of which nothing was begun.
func (r *run) abandon() error {
	switch {
	case r.journal != nil:
		return r.journal.Close()
	case r.Resume == "" && r.dir != "": // made by this call
		return os.RemoveAll(r.dir)
	}
	return nil
}

func (r *run) run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, closing(ctx, closeWithin, r.close)) }()
	if err := r.open(ctx); err != nil {
		return err
	}
	if err := r.getReady(ctx); err != nil {
		return err
	}
	if err := r.admit(ctx); err != nil {
		return err
	}
	load := startLoad()
	defer load.stop()
	err = r.begin(r.provenance())
	if !r.begun {
		return err
	}
	if err == nil {
		err = r.trials(ctx, r.backend)
	}
	status, reason := results.StatusComplete, ""
	switch {
	case ctx.Err() != nil:
		status, reason = results.StatusInterrupted, context.Cause(ctx).Error()
	case err != nil:
		status, reason = results.StatusFailed, err.Error()
	}
	ending := results.Ending{Duration: time.Since(r.started), Facts: append(load.facts(), whereTimeWent(r.spent.all)...)}
	for _, f := range r.backend.LateFacts() {
		ending.Facts = append(ending.Facts, results.Fact(f))
	}
	return errors.Join(err, r.journal.End(status, reason, ending), r.journal.Close())
}

// begin makes the journal of a new run, or has that of a resumed one go on.
func (r *run) begin(p results.Provenance) (err error) {
	if r.before != nil {
		r.begun = true
		return r.journal.GoOn(results.Resumption{Started: r.started, AtOnce: r.atOnce, Provenance: p})
	}
	r.journal, err = results.Create(filepath.Join(r.dir, results.JournalFile), results.Header{
		RunID: r.id, Started: r.started, Plan: r.Plan, Waves: r.waves, Verify: r.verify, Draws: draw.ByIndex, AtOnce: r.atOnce,
		Shard: r.shard, Provenance: p,
	})
	if err != nil {
		return err
	}
	r.begun = true
	return results.PointLatest(r.Results, r.dir)
}

// closing calls a Close also when ctx has ended, within a bound of its own.
func closing(ctx context.Context, within time.Duration, close func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	return close(ctx)
}
