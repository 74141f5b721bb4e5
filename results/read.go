package results

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// maxEntry bounds one line of a journal, in bytes.
const maxEntry = 16 << 20

// A Journal is a journal as read back.
type Journal struct {
	Header
	Resumed []Resumption   // in order; none for a run that went through
	Trials  []*TrialRecord // in the order in which they began
	Status  string         // "complete", "interrupted" or "failed"; "interrupted" for a journal without an end
	Reason  string
	Ending  *Ending       // the last part's; nil for a journal without an end
	Took    time.Duration // wall-clock; sum of the parts that have an end
}

// A TrialRecord is all that is known of one trial.
type TrialRecord struct {
	TrialHeader
	Number     int
	Events     []fleet.Event // in order, timers included
	Decisions  []Decision    // in order
	Marks      map[string]time.Duration
	End        time.Duration // of the last entry
	Status     string        // "settled", "deadline", "invalid" or "interrupted"; "interrupted" for a trial without an end
	Reason     string
	Superseded bool // it came to no end that counts, and a later trial has taken its place: it is in no figure

	over bool // the run was resumed after it
}

// A Decision is what the orchestrator did in a trial: an action or, when that is nil, a mark.
type Decision struct {
	At     time.Duration
	Events int          // of the trial that came before it
	Action fleet.Action // as the journal has it: without the content of a Serve
	Mark   string
}

// A Step is one entry of a trial between its header and its end: one of Event, Action and Mark is set.
type Step struct {
	At     time.Duration
	Host   string
	Event  fleet.Happening
	Action fleet.Action
	Mark   string
}

// Steps are the trial's events and decisions in the order in which they were recorded.
func (t *TrialRecord) Steps() []Step {
	steps := make([]Step, 0, len(t.Events)+len(t.Decisions))
	decisions := t.Decisions
	for n := 0; ; n++ {
		last := n == len(t.Events)
		for ; len(decisions) > 0 && (last || decisions[0].Events <= n); decisions = decisions[1:] {
			s := Step{At: decisions[0].At, Action: decisions[0].Action, Mark: decisions[0].Mark}
			if s.Action != nil {
				s.Host = s.Action.Target()
			}
			steps = append(steps, s)
		}
		if last {
			return steps
		}
		steps = append(steps, Step{At: t.Events[n].At, Host: t.Events[n].Host, Event: t.Events[n].What})
	}
}

// ReadFile reads the journal at path.
func ReadFile(path string) (*Journal, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	j, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return j, nil
}

// Read reads a journal. One that breaks off, as that of a killed run does, is read up to its last whole line; a damaged
// line before that is an error that names it.
func Read(r io.Reader) (*Journal, error) {
	j, _, err := readWhole(r)
	return j, err
}

// readWhole is Read, and says how many bytes the whole lines are.
func readWhole(r io.Reader) (j *Journal, size int64, err error) {
	br := bufio.NewReaderSize(r, 64<<10)
	j = &Journal{Status: StatusInterrupted, Reason: noEnd}
	byNumber := map[int]*TrialRecord{}
	for n := 1; ; n++ {
		line, err := readLine(br)
		if errors.Is(err, io.EOF) {
			if n == 1 {
				return nil, 0, errors.New("line 1: the journal is empty")
			}
			j.supersede()
			return j, size, nil // whatever follows the last newline was never wholly written
		}
		if err == nil {
			err = j.add(line, n == 1, byNumber)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("line %d: %w", n, err)
		}
		size += int64(len(line)) + 1
	}
}

// noEnd is why a run without an end counts as interrupted.
const noEnd = "the journal has no end"

// readLine returns the next line without its newline, or io.EOF when no newline is left.
func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > maxEntry:
			return nil, fmt.Errorf("longer than %d bytes", maxEntry)
		}
	}
}

func (j *Journal) add(line []byte, first bool, byNumber map[int]*TrialRecord) error {
	var e Entry
	if err := json.Unmarshal(line, &e); err != nil {
		return fmt.Errorf("damaged: %w", err)
	}
	if first != (e.Kind == KindRun) {
		return fmt.Errorf("a journal begins with one entry of kind %q, this is %q", KindRun, e.Kind)
	}
	if j.Ending != nil && e.Kind != KindResume {
		return fmt.Errorf("%s after the end of the run, which was not resumed", e.Kind)
	}
	switch e.Kind {
	case KindRun:
		if err := json.Unmarshal(e.Data, &j.Header); err != nil {
			return fmt.Errorf("header: %w", err)
		}
		if j.Schema != Schema {
			return fmt.Errorf("journal schema %d, this fleetfall reads %d", j.Schema, Schema)
		}
		if j.Plan == nil {
			return errors.New("header: no plan")
		}
		return nil
	case KindRunEnd:
		j.Status, j.Reason, j.Ending = e.What, e.Reason, new(Ending)
		if err := json.Unmarshal(e.Data, j.Ending); err != nil {
			return fmt.Errorf("end of run: %w", err)
		}
		j.Took += j.Ending.Duration
		return nil
	case KindResume:
		return j.resume(e, byNumber)
	case KindTrial:
		if byNumber[e.Trial] != nil {
			return fmt.Errorf("trial %d begins twice", e.Trial)
		}
		t := &TrialRecord{Number: e.Trial, Marks: map[string]time.Duration{}, Status: "interrupted", Reason: "the journal has no end for it"}
		if err := json.Unmarshal(e.Data, &t.TrialHeader); err != nil {
			return fmt.Errorf("trial %d: %w", e.Trial, err)
		}
		byNumber[e.Trial] = t
		j.Trials = append(j.Trials, t)
		return nil
	}
	t := byNumber[e.Trial]
	if t == nil {
		return fmt.Errorf("%s of trial %d, which has not begun", e.Kind, e.Trial)
	}
	if t.over {
		return fmt.Errorf("%s of trial %d, which was over when the run was resumed", e.Kind, e.Trial)
	}
	if e.At < t.End {
		return fmt.Errorf("%s of trial %d at %s, after one at %s", e.Kind, e.Trial, e.At, t.End)
	}
	t.End = e.At
	switch e.Kind {
	case KindEvent:
		what, err := fleet.DecodeHappening(e.What, e.Data)
		if err != nil {
			return err
		}
		t.Events = append(t.Events, fleet.Event{At: e.At, Host: e.Host, What: what})
	case KindAction:
		action, err := fleet.DecodeAction(e.What, e.Data)
		if err != nil {
			return err
		}
		t.Decisions = append(t.Decisions, Decision{At: e.At, Events: len(t.Events), Action: action})
	case KindMark:
		t.Marks[e.What] = e.At
		t.Decisions = append(t.Decisions, Decision{At: e.At, Events: len(t.Events), Mark: e.What})
	case KindTrialEnd:
		t.Status, t.Reason = e.What, e.Reason
	default:
		return fmt.Errorf("unknown kind of entry %q", e.Kind)
	}
	return nil
}
