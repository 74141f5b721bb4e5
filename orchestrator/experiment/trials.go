package experiment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
)

// fleets makes fleets: a backend.Backend, or the tests' own.
type fleets interface {
	NewFleet(ctx context.Context, cfg backend.FleetConfig) (fleet.Fleet, error)
}

// trials runs all trials that are not finished and, in a run with verification, each of them once more under load.
func (r *run) trials(ctx context.Context, from fleets) error {
	left := r.remaining()
	upcoming := r.upcoming(left)
	r.all = len(r.upcoming(orchestrator.Trials(r.Plan, r.waves)))
	r.ended = r.all - len(upcoming)
	r.Begin(upcoming)
	for _, trial := range left {
		if trial.Verifies == 0 {
			out, err := r.attempts(ctx, from, trial)
			if err != nil {
				return err
			}
			if r.verify == nil {
				continue
			}
			if out.Status == orchestrator.Invalid { // there is nothing to verify
				r.all--
				continue
			}
			trial.Verifies, trial.Attempt = r.number, 0
		}
		if err := r.again(ctx, from, trial); err != nil {
			return err
		}
	}
	return nil
}

// attempts runs a trial, and once more at once if the testbed failed it.
func (r *run) attempts(ctx context.Context, from fleets, trial orchestrator.Trial) (orchestrator.Outcome, error) {
	out, err := r.trial(ctx, from, trial)
	if err == nil && out.Status == orchestrator.Invalid && trial.Attempt == 0 {
		trial.Attempt = 2
		out, err = r.trial(ctx, from, trial)
	}
	if err == nil {
		r.ended++
	}
	return out, err
}

// remaining lists the trials that a resumed run still has to run; those of a new one are all. One of which only the
// second run is missing says so.
func (r *run) remaining() []orchestrator.Trial {
	left := orchestrator.Trials(r.Plan, r.waves)
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

// trial runs one trial under the next free number.
func (r *run) trial(ctx context.Context, from fleets, trial orchestrator.Trial) (out orchestrator.Outcome, err error) {
	began := time.Now()
	defer func() { r.spend(trial.Cell.Update.Name, time.Since(began)) }()
	r.number++
	trial.Number = r.number
	rec, err := r.journal.Trial(trial.Number, results.TrialHeader{
		Cell: trial.Cell.ID, Repeat: trial.Repeat, Wave: trial.Wave, Waves: trial.Waves, Attempt: trial.Attempt,
		Verifies: trial.Verifies, Seed: trial.Seed, Hosts: trial.Hosts,
	})
	if err != nil {
		return out, err
	}
	name := results.PlaceName(trial.Cell.ID, trial.Repeat, trial.Wave, trial.Verifies != 0)
	consoles := filepath.Join(r.dir, results.HostsDir, name)
	err = r.setAside(name, consoles)
	if err != nil {
		return out, errors.Join(err, rec.End(0, orchestrator.Invalid, err.Error()))
	}
	r.consoles[name] = trial.Number
	f, err := from.NewFleet(ctx, backend.FleetConfig{
		Name: name, Seed: trial.Seed, Hosts: trial.Hosts, ConsoleDir: consoles, Liveness: time.Duration(r.Plan.Liveness),
	})
	if err != nil {
		return out, errors.Join(err, rec.End(0, orchestrator.Invalid, err.Error()))
	}
	defer func() { err = errors.Join(err, closing(ctx, r.closeTime(trial.Hosts), f.Close)) }()
	return trial.Run(ctx, f, rec, r.Watch)
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
	if err := os.Rename(dir, fmt.Sprintf("%s-trial%d", dir, r.consoles[name])); err != nil {
		return fmt.Errorf("set the consoles of trial %d aside: %w", r.consoles[name], err)
	}
	return nil
}
