package experiment

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/replay"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/measure"
	"github.com/fleetfall/fleetfall/results/report"
)

// ReplayConfig says what to replay, and where to keep what comes out.
type ReplayConfig struct {
	Run     string // directory of the recorded run
	Results string // directory of results
	Version string // of fleetfall, for provenance
}

// Replayed is what a replay has left, and how it compares with what was recorded.
type Replayed struct {
	Dir      string // of the replay
	Of       string // ID of the run
	Results  *results.Results
	Trials   int
	Events   int // that were replayed
	Actions  int // that were asked for as they were then
	Metrics  int // that were compared
	Diverged []Diverged
	Changed  []measure.Change
}

// Same tells whether every decision and every metric is as recorded.
func (r *Replayed) Same() bool { return len(r.Diverged) == 0 && len(r.Changed) == 0 }

// A Diverged trial is one in which something was decided that was not recorded.
type Diverged struct {
	Trial orchestrator.Trial
	Where *replay.Divergence
}

// Replay puts a recorded run's events through the orchestrator once more, into the journal of a run of its own, and
// compares its decisions and its metrics with those of the recording. Trials that came to no end come to none.
//
// The error is ctx's when it was interrupted; that something differs is no error. Replayed is nil when nothing was
// begun.
func Replay(ctx context.Context, cfg ReplayConfig) (*Replayed, error) {
	started := time.Now()
	recorded, err := results.ReadFile(filepath.Join(cfg.Run, results.JournalFile))
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	id := newRunID()
	dir, err := results.CreateReplayDir(cfg.Results, recorded.Plan.Scenario, id, started)
	if err != nil {
		return nil, err
	}
	out := &Replayed{Dir: dir, Of: recorded.RunID}
	header := recorded.Header
	header.RunID, header.Started, header.Replays = id, started, recorded.RunID
	of := fmt.Sprintf("of run %s, by fleetfall %s; all that follows is of that run", recorded.RunID, cfg.Version)
	if recorded.Unchecked {
		of += ", whose journal carries no checksums"
	}
	header.Provenance.Facts = append([]results.Fact{{Name: "replay", Value: of}}, header.Provenance.Facts...)
	journal, err := results.Create(filepath.Join(dir, results.JournalFile), header)
	if err != nil {
		return out, err
	}
	err = out.trials(ctx, recorded, journal)
	status, reason := recorded.Status, recorded.Reason
	switch {
	case ctx.Err() != nil:
		status, reason = results.StatusInterrupted, context.Cause(ctx).Error()
	case err != nil:
		status, reason = results.StatusFailed, err.Error()
	}
	ending := results.Ending{Duration: time.Since(started)}
	if recorded.Ending != nil {
		ending.Facts = recorded.Ending.Facts
	}
	if err = errors.Join(err, journal.End(status, reason, ending), journal.Close()); err != nil {
		return out, err
	}
	if out.Results, err = report.Files(dir); err != nil {
		return out, err
	}
	out.Metrics, out.Changed = measure.Changes(measure.Compute(recorded), out.Results)
	return out, nil
}

// trials replays all trials, and takes the run up again where it was.
func (r *Replayed) trials(ctx context.Context, recorded *results.Journal, journal *results.Writer) error {
	resumed := recorded.Resumed
	for i, t := range recorded.Trials {
		for ; len(resumed) > 0 && resumed[0].Trials <= i; resumed = resumed[1:] {
			if err := journal.GoOn(resumed[0]); err != nil {
				return err
			}
		}
		rec, err := journal.Trial(t.Number, t.TrialHeader)
		if err != nil {
			return err
		}
		if err := r.trial(ctx, recorded, t, rec); err != nil {
			return err
		}
	}
	for _, again := range resumed { // it ended before the first trial of these parts
		if err := journal.GoOn(again); err != nil {
			return err
		}
	}
	return nil
}

// trial replays one.
func (r *Replayed) trial(ctx context.Context, j *results.Journal, t *results.TrialRecord, rec *results.TrialWriter) error {
	r.Trials++
	recording := recordingOf(j, t)
	if len(recording.Steps) == 0 && !recording.Broken {
		return rec.End(t.End, t.Status, t.Reason) // its fleet could not be made: there was nothing to decide
	}
	trial, err := orchestrator.Recorded(j.Plan, t.Number, j.Draws, t.TrialHeader)
	if err != nil {
		return err
	}
	recording.Has = trial.Capabilities()
	within, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	f := replay.New(recording, func(reason string) { stop(errors.New(reason)) })
	w := &witness{rec: rec, fleet: f, recording: recording}
	_, err = trial.Run(within, f, w, nil)
	r.Events, r.Actions = r.Events+w.events, r.Actions+w.actions
	switch d := f.Divergence(); {
	case ctx.Err() != nil:
		return errors.Join(err, f.Close(ctx))
	case d != nil:
		r.Diverged = append(r.Diverged, Diverged{trial, d})
	}
	if within.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // interrupted by the recording
	}
	return errors.Join(err, f.Close(ctx))
}

// recordingOf is a trial's record as package replay wants it.
func recordingOf(j *results.Journal, t *results.TrialRecord) replay.Recording {
	r := replay.Recording{
		Clock: fleet.Clock(j.Provenance.Clock), Hosts: slices.Clone(t.Hosts), End: t.End, Status: t.Status, Reason: t.Reason,
		Broken: t.Status == orchestrator.Interrupted,
	}
	for _, s := range t.Steps() {
		r.Steps = append(r.Steps, replay.Step{At: s.At, Host: s.Host, Event: s.Event, Action: s.Action, Mark: s.Mark})
	}
	return r
}

// A witness writes the journal of a replay, and shows the fleet those decisions that it is not asked to carry out. What
// would come after the place at which a recording broke off is not written.
type witness struct {
	rec             *results.TrialWriter
	fleet           *replay.Fleet
	recording       replay.Recording
	events, actions int
}

func (w *witness) Event(e fleet.Event) error {
	w.events++
	return w.rec.Event(e)
}

func (w *witness) Action(at time.Duration, a fleet.Action) error {
	if err := w.fleet.Over(); err != nil {
		return err
	}
	w.actions++
	return w.rec.Action(at, a)
}

func (w *witness) Mark(at time.Duration, name string) error {
	if err := w.fleet.Over(); err != nil {
		return err
	}
	w.fleet.Mark(at, name)
	return w.rec.Mark(at, name)
}

func (w *witness) End(at time.Duration, status, reason string) error {
	if w.fleet.Over() != nil { // also if it would end by itself now
		status, reason = w.recording.Status, w.recording.Reason
	}
	w.fleet.End(at, status, reason)
	return w.rec.End(at, status, reason)
}
