// Package orchestrator runs one trial of a scenario's cell on a fleet: it boots the hosts, injects the update, has them
// recovered, and stops when the fleet is stable or the deadline has come.
//
// It is a state machine: events in, actions out, one goroutine, no clock of its own. See [Trial.Run].
package orchestrator

import (
	"context"
	"errors"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/health"
)

// A Recorder keeps what happens in a trial. An error of its ends the trial.
type Recorder interface {
	Event(e fleet.Event) error
	Action(at time.Duration, a fleet.Action) error
	Mark(at time.Duration, name string) error
	End(at time.Duration, status, reason string) error
}

// Statuses of a trial that has ended.
const (
	Settled     = "settled"     // every host took what it was to take and was stable for long enough
	Deadline    = "deadline"    // some hosts were not back by the deadline: they are censored
	Invalid     = "invalid"     // the testbed failed: nothing can be concluded
	Interrupted = "interrupted" // the user stopped it
)

// An Outcome is how a trial ended.
type Outcome struct {
	Status string
	Reason string
	End    time.Duration
}

// Progress is where a trial stands.
type Progress struct {
	Trial    Trial
	Phase    string // "booting", "baseline", "injected", "reverted", "ended"
	At       time.Duration
	Up       int // hosts that have beaten since the start
	Invalid  int
	Panics   int
	States   map[health.State]int
	Outcome  *Outcome // once ended
	LastNote string   // the newest thing worth a line, empty if none: "kernel-01: page fault in agentk:ff_evaluate"
}

// Run drives the fleet f through the trial and records all of it in rec. It tells watch, if not nil, of each change,
// and of each second of the fleet's clock. It does not close f.
//
// The error is ctx's when the trial was interrupted, or rec's first; the failure of a host or of the fleet is no error
// but an Outcome.
func (t Trial) Run(ctx context.Context, f fleet.Fleet, rec Recorder, watch func(Progress)) (Outcome, error) {
	m, err := newMachine(t)
	if err != nil {
		return Outcome{Status: Invalid, Reason: err.Error()}, err
	}
	if err := t.Fits(f.Caps().Backend, f.Caps().Has); err != nil { // before anything boots
		return Outcome{Status: Invalid, Reason: err.Error()}, err
	}
	if watch == nil {
		watch = func(Progress) {}
	}
	end := func(status, reason string) (Outcome, error) {
		out := Outcome{Status: status, Reason: reason, End: m.now}
		p := m.progress()
		p.Phase, p.Outcome = "ended", &out
		watch(p)
		return out, rec.End(m.now, status, reason)
	}

	decisions := m.begin()
	for {
		for _, d := range decisions {
			if err := t.carryOut(ctx, f, rec, m.now, d); err != nil {
				if ctx.Err() != nil {
					out, recErr := end(Interrupted, context.Cause(ctx).Error())
					return out, errors.Join(ctx.Err(), recErr)
				}
				var infra *fleet.InfraError
				if errors.As(err, &infra) {
					return end(Invalid, err.Error())
				}
				return Outcome{Status: Invalid, Reason: err.Error(), End: m.now}, err
			}
		}
		if m.changed {
			watch(m.progress())
			m.changed, m.note = false, ""
		}
		if m.outcome != nil {
			return end(m.outcome.Status, m.outcome.Reason)
		}
		e, err := f.Next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				out, recErr := end(Interrupted, context.Cause(ctx).Error())
				return out, errors.Join(ctx.Err(), recErr)
			}
			return end(Invalid, err.Error())
		}
		if err := rec.Event(e); err != nil {
			return Outcome{Status: Invalid, Reason: err.Error(), End: m.now}, err
		}
		decisions = m.handle(e)
	}
}

// carryOut does one decision and records it.
func (t Trial) carryOut(ctx context.Context, f fleet.Fleet, rec Recorder, now time.Duration, d decision) error {
	switch {
	case d.mark != "":
		return rec.Mark(now, d.mark)
	case d.action != nil:
		if err := rec.Action(now, d.action); err != nil {
			return err
		}
		if err := f.Do(ctx, d.action); err != nil {
			return &fleet.InfraError{Host: d.action.Target(), Op: d.action.Kind(), Err: err}
		}
	default:
		f.After(d.wait, d.tag)
	}
	return nil
}
