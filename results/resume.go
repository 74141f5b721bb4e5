package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
)

var (
	// ErrComplete is wrapped by Resume's error for a run that came to its end.
	ErrComplete = errors.New("the run is complete: there is nothing to resume")
	// ErrReplay is wrapped by Resume's error for the journal of a replay.
	ErrReplay = errors.New("it is a replay, of which nothing was run: replay the run itself again")
	// ErrWriting is wrapped by the error for a journal that another process writes.
	ErrWriting = errors.New("a fleetfall that still runs is writing it")
)

var errTooOften = fmt.Errorf("a run is resumed %d times at most", maxResumed)

// lock makes the journal this process's alone until the file is closed, also by a kill.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrWriting
	}
	return os.NewSyscallError("flock", err)
}

// Resume opens the journal of a run that did not come to its end, to go on with it, and returns what it holds so far. A
// last line that was never wholly written is cut off. The first thing to write is [Writer.GoOn].
//
// The error wraps ErrComplete, ErrReplay or ErrWriting where that is the reason; the file is then as it was.
func Resume(path string) (*Writer, *Journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, nil, &JournalError{path, err}
	}
	rd, size, err := takeUp(f)
	if err != nil {
		return nil, nil, errors.Join(&JournalError{path, err}, f.Close())
	}
	return newWriter(path, f, rd.chains, size), rd.journal, nil
}

func takeUp(f *os.File) (rd *reader, size int64, err error) {
	if err := lock(f); err != nil {
		return nil, 0, err
	}
	rd, size, err = readWhole(f)
	switch {
	case err != nil:
		return nil, 0, err
	case rd.journal.Replays != "":
		return nil, 0, ErrReplay
	case rd.journal.Status == StatusComplete:
		return nil, 0, ErrComplete
	case len(rd.journal.Resumed) == maxResumed:
		return nil, 0, errTooOften
	}
	return rd, size, f.Truncate(size)
}

// Running tells whether a process writes the journal at path.
func Running(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close() // and with it the lock, if it was to be had
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, os.NewSyscallError("flock", err)
}

// Statuses of a run that has ended.
const (
	StatusComplete    = "complete"
	StatusInterrupted = "interrupted"
	StatusFailed      = "failed"
)

// StatusRunning is that of a run that has not ended, and whose journal is still written. No journal says so of itself.
const StatusRunning = "running"

// resume reads a KindResume entry: whatever was under way before it will have no further entry.
func (j *Journal) resume(e Entry) error {
	if j.Status == StatusComplete {
		return errors.New("a complete run is resumed")
	}
	var r Resumption
	if err := json.Unmarshal(e.Data, &r); err != nil {
		return fmt.Errorf("resumption: %w", err)
	}
	if len(j.Resumed) == maxResumed {
		return errTooOften
	}
	if err := checkAtOnce(r.AtOnce); err != nil {
		return fmt.Errorf("resumption: %w", err)
	}
	r.Trials = len(j.Trials)
	j.Resumed = append(j.Resumed, r)
	j.Status, j.Reason, j.Ending = StatusInterrupted, noEnd, nil
	return nil
}

// Counts tells whether the trial came to an end that figures may rest on.
func (t *TrialRecord) Counts() bool { return t.Status == "settled" || t.Status == "deadline" }

// A place is what a trial is to fill: trials of one place are attempts at the same thing.
type place struct {
	cell         string
	repeat, wave int
	again        bool // it is the second run of a verification
}

func (t *TrialRecord) place() place { return place{t.Cell, t.Repeat, t.Wave, t.Verifies != 0} }

// supersede marks the trials whose place a later one has taken.
func (j *Journal) supersede() {
	last := map[place]*TrialRecord{}
	for _, t := range j.Trials {
		if before := last[t.place()]; before != nil && !before.Counts() {
			before.Superseded = true
		}
		last[t.place()] = t
	}
}

// Finished tells whether a trial need not be run any more: it came to an end that counts, or it was invalid when it was
// run again. A trial that was invalid in its first attempt still has its second. again asks for its second run in a
// verification.
func (j *Journal) Finished(cell string, repeat, wave int, again bool) bool {
	for _, t := range j.Trials {
		if t.place() == (place{cell, repeat, wave, again}) && (t.Counts() || t.Status == "invalid" && t.Attempt == 2) {
			return true
		}
	}
	return false
}

// Attempt is that of the next trial in this place, as in TrialHeader: 2 when one was invalid already, else 0.
func (j *Journal) Attempt(cell string, repeat, wave int, again bool) int {
	for _, t := range j.Trials {
		if t.place() == (place{cell, repeat, wave, again}) && t.Status == "invalid" {
			return 2
		}
	}
	return 0
}

// Counted is the number of the trial in this place that figures rest on; 0 when there is none.
func (j *Journal) Counted(cell string, repeat, wave int) int {
	for _, t := range j.Trials {
		if t.place() == (place{cell, repeat, wave, false}) && t.Counts() {
			return t.Number
		}
	}
	return 0
}
