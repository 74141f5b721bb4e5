// Package replay is a recorded trial as a backend: what happened then happens again, and what is decided now is held
// against what was decided then.
//
// There is no host in it. Events come in the order in which they were recorded, timers among them, whatever is asked
// for; so they are an answer to what is asked for only as long as that is what was asked for then. At the first
// [Divergence] the replay ends.
package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// A Recording is one trial as its journal has it.
type Recording struct {
	Clock  fleet.Clock        // that its times are of
	Has    []fleet.Capability // what the trial needs: its fleet had that
	Hosts  []fleet.HostSpec
	Steps  []Step        // in order
	End    time.Duration // when the trial ended
	Status string        // how it ended
	Reason string        // why
	Broken bool          // nobody decided that it ends there: it was interrupted, or the process killed
}

// A Step is one entry of a recording: one of Event, Action and Mark is set.
type Step struct {
	At     time.Duration
	Host   string // of the event
	Event  fleet.Happening
	Action fleet.Action // without the content of a Serve, which no journal holds
	Mark   string
}

// A Divergence is the first place at which what is decided now is not what was recorded.
type Divergence struct {
	At       time.Duration // on the trial's clock
	Events   int           // that were replayed before it
	Recorded string        // what is there in the recording, in words
	Now      string        // what is decided in its place
}

func (d *Divergence) Error() string {
	return fmt.Sprintf("at %v, after %d events: recorded is %s, and now %s", d.At, d.Events, d.Recorded, d.Now)
}

// A Fleet replays a recording. It implements fleet.Fleet, and is also told of marks and of the trial's end, as a
// recorder is: they are decisions too.
type Fleet struct {
	rec   Recording
	over  func(reason string)
	hosts map[string]bool

	next     int           // of the recording's steps
	events   int           // that were delivered
	now      time.Duration // of the latest event
	timers   []timer       // that were asked for and have not fired, in the order of being asked for
	diverged *Divergence

	closed chan struct{}
	once   sync.Once
}

type timer struct {
	due time.Duration
	tag string
}

// ErrOver says that a recording which broke off has come to that place.
var ErrOver = errors.New("the recording breaks off here")

// New makes a fleet that replays a recording. Where the recording breaks off, over is called with the reason, once;
// whoever waits for an event then waits until its context ends. It may be nil.
func New(rec Recording, over func(reason string)) *Fleet {
	f := &Fleet{rec: rec, over: over, hosts: map[string]bool{}, closed: make(chan struct{})}
	for _, h := range rec.Hosts {
		f.hosts[h.Name] = true
	}
	return f
}

// Caps implements fleet.Fleet: whatever hosts of the recording did can be replayed.
func (f *Fleet) Caps() fleet.Caps {
	return fleet.Caps{Backend: "replay", Accelerator: "none", Clock: f.rec.Clock, Has: f.rec.Has}
}

// Do implements fleet.Fleet: a is to be the action that was recorded at this place. It fails as it failed then.
func (f *Fleet) Do(ctx context.Context, a fleet.Action) error {
	switch {
	case f.isClosed():
		return fleet.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	case !f.hosts[a.Target()]:
		return fmt.Errorf("%s %q: %w", a.Kind(), a.Target(), fleet.ErrUnknownHost)
	case f.diverged != nil:
		return f.diverged
	case f.Over() != nil: // before that, what was not done then diverges
		return errors.Join(f.Caps().Refuse(a), ctx.Err())
	}
	if f.next == len(f.rec.Steps) {
		return f.diverge(told(a))
	}
	s := f.rec.Steps[f.next]
	if s.Action == nil || s.At != f.now || told(s.Action) != told(asOf(s.Action, a)) {
		return f.diverge(told(a))
	}
	f.next++
	if f.next == len(f.rec.Steps) {
		failed := &fleet.InfraError{Host: a.Target(), Op: a.Kind(), Err: errors.New("")}
		if reason, ok := strings.CutPrefix(f.rec.Reason, failed.Error()); ok {
			return errors.New(reason)
		}
	}
	return nil
}

// After implements fleet.Fleet. The recording has the timer already, if it was asked for then too.
func (f *Fleet) After(d time.Duration, tag string) {
	f.timers = append(f.timers, timer{f.now + d, tag})
}

// Next implements fleet.Fleet. It returns the recording's next event, a *Divergence where something else was recorded.
func (f *Fleet) Next(ctx context.Context) (fleet.Event, error) {
	switch {
	case f.isClosed():
		return fleet.Event{}, fleet.ErrClosed
	case ctx.Err() != nil:
		return fleet.Event{}, ctx.Err()
	case f.diverged != nil:
		return fleet.Event{}, f.diverged
	case f.Over() != nil:
		select {
		case <-ctx.Done():
			return fleet.Event{}, ctx.Err()
		case <-f.closed:
			return fleet.Event{}, fleet.ErrClosed
		}
	case f.next == len(f.rec.Steps):
		return fleet.Event{}, f.diverge("the trial goes on")
	}
	s := f.rec.Steps[f.next]
	if s.Event == nil {
		return fleet.Event{}, f.diverge("nothing is done")
	}
	if err := f.fire(s); err != nil {
		return fleet.Event{}, err
	}
	f.next++
	f.events++
	f.now = s.At
	return fleet.Event{At: s.At, Host: s.Host, What: s.Event}, nil
}

// fire holds the timers against the next event. A recorded timer is to be one that was asked for now, and cannot have
// fired before its time; on the virtual clock it fires exactly then, and on the wall clock when there was time for it.
func (f *Fleet) fire(next Step) error {
	if f.rec.Clock == fleet.VirtualClock {
		for _, t := range f.timers {
			if t.due < next.At {
				return f.diverge(t.String())
			}
		}
	}
	fired, ok := next.Event.(fleet.TimerFired)
	if !ok {
		return nil
	}
	first := -1
	for i, t := range f.timers {
		if t.tag == fired.Tag && (first < 0 || t.due < f.timers[first].due) {
			first = i
		}
	}
	switch {
	case first < 0:
		return f.diverge("no timer of that name was asked for")
	case f.timers[first].due > next.At:
		return f.diverge(f.timers[first].String())
	}
	f.timers = slices.Delete(f.timers, first, first+1)
	return nil
}

func (t timer) String() string { return fmt.Sprintf("timer %q is to fire at %v", t.tag, t.due) }

// Mark is told of a mark.
func (f *Fleet) Mark(at time.Duration, name string) {
	if f.diverged != nil {
		return
	}
	if f.next < len(f.rec.Steps) {
		if s := f.rec.Steps[f.next]; s.Mark == name && s.At == at {
			f.next++
			return
		}
	}
	_ = f.diverge(mark(name)) // kept for whoever asks next
}

// End is told of the trial's end. A recording that broke off has none to compare.
func (f *Fleet) End(at time.Duration, status, reason string) {
	same := at == f.rec.End && status == f.rec.Status && reason == f.rec.Reason
	if f.diverged == nil && (f.next < len(f.rec.Steps) || !f.rec.Broken && !same) {
		_ = f.diverge(end(at, status, reason)) // kept for whoever asks
	}
}

// Over is ErrOver when the recording broke off, and has come to that place; the first time it says so.
func (f *Fleet) Over() error {
	if !f.rec.Broken || f.next < len(f.rec.Steps) {
		return nil
	}
	if f.over != nil {
		over := f.over
		f.over = nil
		over(f.rec.Reason)
	}
	return ErrOver
}

// Divergence is the first one; nil when there was none so far.
func (f *Fleet) Divergence() *Divergence { return f.diverged }

// Close implements fleet.Fleet.
func (f *Fleet) Close(context.Context) error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

func (f *Fleet) isClosed() bool {
	select {
	case <-f.closed:
		return true
	default:
		return false
	}
}

// diverge keeps what is decided now in the place of the recording's next step.
func (f *Fleet) diverge(now string) error {
	f.diverged = &Divergence{At: f.now, Events: f.events, Now: now, Recorded: end(f.rec.End, f.rec.Status, f.rec.Reason)}
	if f.next < len(f.rec.Steps) {
		f.diverged.Recorded = f.rec.Steps[f.next].String()
	}
	return f.diverged
}

func (s Step) String() string {
	switch {
	case s.Action != nil:
		return fmt.Sprintf("%s at %v", told(s.Action), s.At)
	case s.Mark != "":
		return fmt.Sprintf("%s at %v", mark(s.Mark), s.At)
	case s.Host == "":
		return fmt.Sprintf("event %s at %v", inWords(s.Event.Kind(), s.Event), s.At)
	}
	return fmt.Sprintf("event %s of %s at %v", inWords(s.Event.Kind(), s.Event), s.Host, s.At)
}

// told is an action as a journal has it, which is also all of it that can be compared.
func told(a fleet.Action) string { return "action " + inWords(a.Kind(), a) }

// asOf is an action without what the recording of one of its kind does not say, because it is older: that is nothing to
// compare.
func asOf(recorded, a fleet.Action) fleet.Action {
	switch now := a.(type) {
	case fleet.Serve:
		if r, ok := recorded.(fleet.Serve); ok && r.Digest == "" {
			now.Path, now.Digest, now.Size = "", "", 0
		}
		return now
	case fleet.Tell:
		if r, ok := recorded.(fleet.Tell); ok && r.ID == 0 {
			now.ID = 0
		}
		return now
	}
	return a
}

func mark(name string) string { return fmt.Sprintf("mark %q", name) }

func end(at time.Duration, status, reason string) string {
	text := fmt.Sprintf("the trial ends as %s at %v", status, at)
	if reason != "" {
		text += ": " + reason
	}
	return text
}

func inWords(kind string, v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%s (%v)", kind, err)
	}
	return kind + " " + string(data)
}
