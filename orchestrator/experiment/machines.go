package experiment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"

	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/scenarios"
)

// open opens the backend.
func (r *run) open(ctx context.Context) (err error) {
	cfg := backend.Config{
		RunID: r.id, RunDir: r.dir, URI: r.URI, Clock: fleet.Clock(r.askedClock()), Images: r.images, Cache: r.Cache,
		Log: r.Log, Step: r.Step,
	}
	for _, n := range r.Plan.Nodes {
		cfg.Nodes = append(cfg.Nodes, backend.Node{Name: n.Name, URI: n.URI, At: n.At})
	}
	r.backend, err = r.driver.Open(ctx, cfg)
	return err
}

// close closes it, if it is open.
func (r *run) close(ctx context.Context) error {
	if r.backend == nil {
		return nil
	}
	return r.backend.Close(ctx)
}

// kindOf is what hosts of a fleet are to the backend.
func kindOf(f scenarios.Fleet) backend.Kind {
	return backend.Kind{
		Image: f.Image, Architecture: f.Architecture, Oops: fleet.Oops(f.Oops), MemoryBytes: int64(f.Memory),
	}
}

// getReady has the backend prepare every kind of host, in the order of the plan's cells, and decide the clock.
func (r *run) getReady(ctx context.Context) error {
	var kinds []backend.Kind
	for _, c := range r.Plan.Cells {
		if k := kindOf(c.Fleet); !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	takes, err := r.backend.Prepare(ctx, kinds)
	var clock *backend.ClockError
	if errors.As(err, &clock) && r.verify != nil {
		return fmt.Errorf("%w; and %w", ErrWallClock, clock.Err)
	}
	if err != nil {
		return err
	}
	r.takes = map[backend.Kind]backend.Takes{}
	for i, k := range kinds {
		r.takes[k] = takes[i]
	}
	caps := r.backend.Caps()
	if asked := fleet.Clock(r.askedClock()); asked != "" && asked != caps.Clock {
		return fmt.Errorf("the backend %q was asked for the %s clock, and keeps the %s clock",
			caps.Backend, asked, caps.Clock)
	}
	if r.verify != nil && r.before == nil {
		r.verify.Tolerance = caps.Tolerance
	}
	return nil
}

// askedClock is what the scenario asks for or, in a run that is resumed, what it began with; "" when nothing does. Only
// the virtual clock can be verified.
func (r *run) askedClock() string {
	switch {
	case r.verify != nil:
		return scenarios.ClockVirtual
	case r.before != nil:
		return r.before.Provenance.Clock
	}
	return r.Plan.Clock
}

// admit decides, with what a host was seen to take, whether the plan fits on the machines as they are now, in how many
// waves, and which host goes where; and has the backend promise the memory to this run.
func (r *run) admit(ctx context.Context) error {
	all := needs(r.Plan, func(k backend.Kind) backend.Takes { return r.takes[k] })
	if len(all) == 0 {
		r.decideAtOnce(math.MaxInt)
		return nil
	}
	if r.before != nil {
		goOn(all, r.waves)
	}
	own, err := admission.OpenFiles()
	if err != nil {
		return err
	}
	var decision admission.Decision
	err = r.backend.Reserve(ctx, func(machines []admission.Machine) (_ admission.Decision, err error) {
		decision, err = admission.Admit(all, machines, own)
		if err == nil {
			r.decideAtOnce(decision.Together)
			decision = decision.Times(r.atOnce)
		}
		return decision, err
	})
	if err != nil {
		return err
	}
	if r.before == nil {
		r.waves = decision.Waves()
	}
	r.placed = map[string][][]string{}
	for _, c := range decision.Cells {
		r.placed[c.Cell] = c.Waves
	}
	return nil
}

// trialsPerCPU are under way at a time where nobody says how many: while hosts of one boot, or wait for each other,
// those of another keep the CPU busy.
const trialsPerCPU = 2

// decideAtOnce decides how many trials may be under way at a time, of which so many fit. One, where those beside it
// would tell on its figures, and where a second run is to be held against the first.
func (r *run) decideAtOnce(fit int) {
	switch {
	case r.verify != nil:
		r.atOnce = 1
	case !slices.Contains(r.backend.Caps().Has, fleet.CanRunBeside):
		r.atOnce = 1
		if r.AtOnce > 1 {
			r.Step(fmt.Sprintf("one trial at a time: on the %s clock of the backend %q each would tell on the others' figures",
				r.backend.Caps().Clock, r.backend.Caps().Backend))
		}
	default:
		wanted := cmp.Or(r.AtOnce, trialsPerCPU*runtime.NumCPU())
		r.atOnce = min(wanted, fit)
		if r.atOnce < wanted {
			r.Step(fmt.Sprintf("%d trials at a time: there is no room for the hosts of %d", r.atOnce, wanted))
		}
	}
}
