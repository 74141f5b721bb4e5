package experiment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
)

// fleets makes fleets, for several trials at a time: a backend.Backend, or the tests' own.
type fleets interface {
	NewFleet(ctx context.Context, cfg backend.FleetConfig) (fleet.Fleet, error)
}

// trials runs all trials that are not finished and, in a run with verification, each of them once more under load.
// Those that the testbed failed are run once more, behind all others: as all begin in the plan's order, each has the
// same number however many are under way at a time.
func (r *run) trials(ctx context.Context, from fleets) (err error) {
	planned, err := r.planned()
	if err != nil {
		return err
	}
	left := r.remaining(planned)
	upcoming := r.upcoming(left)
	r.all = len(r.upcoming(planned))
	r.ended = r.all - len(upcoming)
	r.Begin(upcoming)
	for len(left) > 0 && err == nil {
		left, err = r.round(ctx, from, left)
	}
	return err
}

// An end is what became of a trial.
type end struct {
	planned orchestrator.Trial // with its number in the plan
	number  int                // in the journal
	out     orchestrator.Outcome
	err     error
}

// round runs trials in order, as many at a time as may be, and returns those that have to be run once more, in the
// plan's order. The first error ends those that are under way; it waits until they have ended.
func (r *run) round(ctx context.Context, from fleets, left []orchestrator.Trial) (failed []orchestrator.Trial, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ends := make(chan end)
	for underWay := 0; len(left) > 0 || underWay > 0; {
		if len(left) > 0 && underWay < max(1, r.atOnce) {
			planned := left[0]
			left = left[1:]
			var t *trial
			if t, err = r.begins(planned); err != nil {
				stop(err)
				left = nil
				continue
			}
			underWay++
			go func() {
				out, err := t.run(ctx, from)
				ends <- end{planned, t.Number, out, err}
			}()
			continue
		}
		e := <-ends
		underWay--
		r.spent.end(e.planned.Cell.Update.Name, time.Now())
		switch {
		case e.err != nil && err != nil: // it was stopped, or hit by the same
			r.Log.Debug().Err(e.err).Int("trial", e.number).Msg("a trial ends with the run")
		case e.err != nil:
			err, left = e.err, nil
			stop(fmt.Errorf("trial %d ended the run: %w", e.number, err))
		case err != nil: // it has ended by itself, and none is begun any more
			r.follows(e)
		default:
			next, again := r.follows(e)
			left, failed = append(next, left...), append(failed, again...)
		}
	}
	slices.SortStableFunc(failed, func(a, b orchestrator.Trial) int { return cmp.Compare(a.Number, b.Number) })
	return failed, err
}

// follows counts a trial that has ended, and returns what is to be run because of it, at once and behind all others.
func (r *run) follows(e end) (next, behind []orchestrator.Trial) {
	t := e.planned
	switch {
	case e.out.Status == orchestrator.Invalid && t.Attempt == 0:
		t.Attempt = 2
		return nil, []orchestrator.Trial{t}
	case r.verify == nil || t.Verifies != 0:
	case e.out.Status == orchestrator.Invalid: // there is nothing to verify
		r.all--
	default:
		t.Verifies, t.Attempt = e.number, 0
		next = []orchestrator.Trial{t}
	}
	r.ended++
	return next, nil
}

// planned lists the trials of the plan, or of the shard of it that is run.
func (r *run) planned() ([]orchestrator.Trial, error) {
	all := orchestrator.Trials(r.Plan, r.waves)
	if r.shard == nil {
		return all, nil
	}
	return orchestrator.Share(all, *r.shard)
}

// remaining lists those of the planned trials that a resumed run still has to run; of a new one they are all. One of
// which only the second run is missing says so.
func (r *run) remaining(planned []orchestrator.Trial) []orchestrator.Trial {
	left := slices.Clone(planned)
	for _, t := range left {
		for i, node := range r.nodes(t) {
			t.Hosts[i].Node = node
		}
	}
	if r.before == nil {
		return left
	}
	all := len(left)
	left = slices.DeleteFunc(left, func(t orchestrator.Trial) bool {
		return r.before.Finished(t.Cell.ID, t.Repeat, t.Wave, false) && r.verifying(t) == 0
	})
	for i, t := range left {
		left[i].Verifies = r.verifying(t)
		left[i].Attempt = r.before.Attempt(t.Cell.ID, t.Repeat, t.Wave, left[i].Verifies != 0)
	}
	if n := all - len(left); n > 0 {
		r.Step(fmt.Sprintf("skipping %d of %d trials that are finished", n, all))
	}
	return left
}

// nodes are the machines of a trial's hosts; none when there is only one.
func (r *run) nodes(t orchestrator.Trial) []string {
	if waves := r.placed[t.Cell.ID]; len(waves) > 0 {
		return waves[max(0, t.Wave-1)]
	}
	return nil
}

// A trial is one that has begun.
type trial struct {
	orchestrator.Trial // under its number in the journal
	of                 *run
	rec                *results.TrialWriter
	place              string // as fleets and consoles are named
	consoles           string // directory
}

// begins begins a trial under the next free number.
func (r *run) begins(planned orchestrator.Trial) (*trial, error) {
	r.number++
	t := &trial{Trial: planned, of: r, place: results.PlaceName(planned.Cell.ID, planned.Repeat, planned.Wave, planned.Verifies != 0)}
	t.Number = r.number
	t.consoles = filepath.Join(r.dir, results.HostsDir, t.place)
	var err error
	t.rec, err = r.journal.Trial(t.Number, results.TrialHeader{
		Cell: t.Cell.ID, Repeat: t.Repeat, Wave: t.Wave, Waves: t.Waves, Attempt: t.Attempt,
		Verifies: t.Verifies, Seed: t.Seed, Hosts: t.Hosts,
	})
	if err != nil {
		return nil, err
	}
	if err := r.setAside(t.place, t.consoles); err != nil {
		return nil, errors.Join(err, t.rec.End(0, orchestrator.Invalid, err.Error()))
	}
	r.consoles[t.place] = t.Number
	r.spent.begin(t.Cell.Update.Name, time.Now())
	return t, nil
}

// run runs it, under load if it is the second run of a verification.
func (t *trial) run(ctx context.Context, from fleets) (out orchestrator.Outcome, err error) {
	if t.Verifies != 0 {
		var load *busy
		if load, err = keepBusy(runtime.NumCPU()); err != nil {
			err = fmt.Errorf("verify: %w", err)
			return out, errors.Join(err, t.rec.End(0, orchestrator.Invalid, err.Error()))
		}
		defer func() { err = errors.Join(err, load.stop()) }()
	}
	f, err := from.NewFleet(ctx, backend.FleetConfig{
		Name: t.place, Seed: t.Seed, Hosts: t.Hosts, ConsoleDir: t.consoles, Liveness: time.Duration(t.Plan.Liveness),
	})
	if err != nil {
		return out, errors.Join(err, t.rec.End(0, orchestrator.Invalid, err.Error()))
	}
	defer func() { err = errors.Join(err, closing(ctx, t.of.closeTime(t.Hosts), f.Close)) }()
	return t.Run(ctx, f, t.rec, t.of.tell)
}

// tell tells Watch. Only one trial does at a time.
func (r *run) tell(p orchestrator.Progress) {
	if r.Watch == nil {
		return
	}
	r.telling.Lock()
	defer r.telling.Unlock()
	r.Watch(p)
}

// closeTime is what a fleet of these hosts has to close: before that, it dumps the memory of any host that has panicked
// by then.
func (r *run) closeTime(hosts []fleet.HostSpec) time.Duration {
	within := closeWithin
	for _, h := range hosts {
		if h.CrashDump {
			within += r.driver.DumpTime
		}
	}
	return within
}

// setAside keeps the consoles of an earlier trial in this place under the number of that trial.
func (r *run) setAside(name, dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := os.Rename(dir, replacedName(dir, r.consoles[name])); err != nil {
		return fmt.Errorf("set the consoles of trial %d aside: %w", r.consoles[name], err)
	}
	return nil
}

// replacedName is what the consoles of a place are called once another trial has taken that of trial n there.
func replacedName(place string, n int) string { return fmt.Sprintf("%s-trial%d", place, n) }
