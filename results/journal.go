package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/draw"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/scenarios"
)

// maxPending bounds what is waiting for the disk, in bytes: past it Append waits.
const maxPending = 8 << 20

// An Entry is one line of a journal. Which fields are set depends on Kind; see the Kind constants.
type Entry struct {
	Kind   Kind            `json:"k"`
	Trial  int             `json:"trial,omitempty"` // counts from 1 within the run
	At     time.Duration   `json:"at,omitempty"`    // ns on the trial's clock
	Host   string          `json:"host,omitempty"`
	What   string          `json:"what,omitempty"` // kind of the event or action; name of the mark
	Data   json.RawMessage `json:"data,omitempty"`
	Reason string          `json:"reason,omitempty"`
	Trials []string        `json:"trials,omitempty"` // of KindResume and KindRunEnd: the latest sum of each trial, in order
	// After these comes the line's sum, which is no field: it is of the bytes of all that comes before it. See
	// sumDigits.
}

// Kind of an entry.
type Kind string

const (
	KindRun      Kind = "run"       // first of all; Data is a Header
	KindResume   Kind = "resume"    // a run that did not come to its end goes on; Data is a Resumption
	KindTrial    Kind = "trial"     // a trial begins; Data is a TrialHeader
	KindEvent    Kind = "event"     // What and Data are a fleet.Happening
	KindAction   Kind = "action"    // What and Data are a fleet.Action
	KindMark     Kind = "mark"      // What is one of the Mark constants
	KindTrialEnd Kind = "trial_end" // What is the trial's status
	KindRunEnd   Kind = "run_end"   // What is the run's status, Data an Ending
)

// Marks are what the orchestrator decided that is not an action on a host.
const (
	MarkReady    = "ready"    // every host is up and judged; the clock of update.at starts
	MarkInjected = "injected" // the update is served from here on
	MarkReverted = "reverted" // the vendor pulled it
)

// A Header is a journal's first entry.
type Header struct {
	Schema     int             `json:"schema"`
	RunID      string          `json:"run_id"`
	Started    time.Time       `json:"started"`
	Plan       *scenarios.Plan `json:"plan"`
	Waves      map[string]int  `json:"waves,omitempty"`   // parts of a cell's fleet, by its ID, where there is more than one
	Replays    string          `json:"replays,omitempty"` // ID of the run whose events these are; "" for one on hosts
	Verify     *Verify         `json:"verify,omitempty"`  // each trial is run twice; nil when it is not
	Draws      draw.Way        `json:"draws,omitempty"`   // how it draws
	AtOnce     int             `json:"at_once,omitempty"` // trials that may be under way at a time; 0 is one
	Shard      *Shard          `json:"shard,omitempty"`   // the part of the plan's trials that is run; nil for all
	Merged     []Merged        `json:"merged,omitempty"`  // the shards that it was merged from, in order; none for a run of its own
	Provenance Provenance      `json:"provenance"`
}

// A Resumption says when and on what a run that did not come to its end goes on.
type Resumption struct {
	Started    time.Time  `json:"started"`
	AtOnce     int        `json:"at_once,omitempty"` // from here on, as in Header
	Provenance Provenance `json:"provenance"`
	Trials     int        `json:"-"` // that had begun before
}

// A TrialHeader begins a trial.
type TrialHeader struct {
	Cell    string `json:"cell"`
	Repeat  int    `json:"repeat"`            // counts from 0
	Wave    int    `json:"wave,omitempty"`    // part of the fleet, from 1; 0 when the fleet is whole
	Waves   int    `json:"waves,omitempty"`   // parts in all; 0 when the fleet is whole
	Attempt int    `json:"attempt,omitempty"` // 2 when it is run again after an invalid one; else 0
	// Verifies is the number of the trial of which this is the second run, under load, to be compared with it; 0 for a
	// trial of its own. It is in no figure.
	Verifies int              `json:"verifies,omitempty"`
	Seed     uint64           `json:"seed"`
	Hosts    []fleet.HostSpec `json:"-"` // in groups, see trialEntry
}

// An Ending is what can be said of a run only after it.
type Ending struct {
	Duration time.Duration `json:"duration_ns"` // wall-clock
	Facts    []Fact        `json:"facts"`
}

// A JournalError is a failure to keep the journal: the run cannot go on.
type JournalError struct {
	Path string
	Err  error
}

func (e *JournalError) Error() string { return fmt.Sprintf("journal %s: %v", e.Path, e.Err) }
func (e *JournalError) Unwrap() error { return e.Err }

// A Writer appends entries to a journal file, each with its checksum. Entries that wait while the disk is busy are
// written and synced as one batch. It may be used from several goroutines.
type Writer struct {
	path string
	file journalFile

	mu      sync.Mutex
	chains  *chains
	changed *sync.Cond // pending, err, closed or written changed
	pending bytes.Buffer
	size    int64 // of the journal with what is pending, in bytes
	err     error
	closed  bool
	done    chan struct{}
}

// journalFile is what a Writer needs of an *os.File.
type journalFile interface {
	Write(p []byte) (int, error)
	Sync() error
	Close() error
}

// Create makes a new journal whose first entry is header. It fails if the file exists. The journal is the writer's
// alone until it is closed: see [Resume].
func Create(path string, header Header) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, &JournalError{path, err}
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(&JournalError{path, err}, f.Close())
	}
	header.Schema = journalSchema
	w := newWriter(path, f, newChains(header.Schema, header.AtOnce), 0)
	if err := w.Append(Entry{Kind: KindRun}, header); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func newWriter(path string, f journalFile, c *chains, size int64) *Writer {
	w := &Writer{path: path, file: f, chains: c, size: size, done: make(chan struct{})}
	w.changed = sync.NewCond(&w.mu)
	go w.flush()
	return w
}

// Append adds one entry with data (any JSON value, or nil), and its sum. It returns the first failure to write any
// earlier entry, as a *JournalError; nothing is written after such a failure. An entry that cannot come next, as one
// of a trial that is over, is an error and is not written.
func (w *Writer) Append(e Entry, data any) error {
	if data != nil {
		raw, err := json.Marshal(data)
		if err != nil {
			return fmt.Errorf("journal: %s %s: %w", e.Kind, e.What, err)
		}
		e.Data = raw
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.room(); err != nil {
		return err
	}
	if w.chains.sums && (e.Kind == KindResume || e.Kind == KindRunEnd) {
		e.Trials = w.chains.trials
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("journal: %s %s: %w", e.Kind, e.What, err)
	}
	_, err = w.put(e.Kind, e.What, e.Trial, line[:len(line)-1])
	return err
}

// room waits, with mu held, until not too much is pending.
func (w *Writer) room() error {
	for w.err == nil && !w.closed && w.pending.Len() > maxPending {
		w.changed.Wait()
	}
	if w.closed && w.err == nil {
		return &JournalError{w.path, os.ErrClosed}
	}
	return w.err
}

// put adds a line, which is given as far as its sum covers it, with mu held, and returns its sum.
func (w *Writer) put(kind Kind, what string, trial int, covered []byte) (sum string, err error) {
	// What could not be read again is not written.
	switch length := len(covered) + len(beforeSum) + sumDigits + len(afterSum); {
	case length > maxEntry:
		return "", fmt.Errorf("journal: %s %s of %d bytes: %d at most are read of a line", kind, what, length, maxEntry)
	case w.size+int64(length) >= maxJournal:
		return "", &JournalError{w.path, fmt.Errorf("full: %d bytes at most are read of a journal", int64(maxJournal))}
	}
	if sum, err = w.chains.next(kind, trial, covered); err != nil {
		return "", fmt.Errorf("journal: %w", err)
	}
	line := append(covered, '}')
	if w.chains.sums {
		line = appendSum(covered, sum)
	}
	w.pending.Write(line)
	w.pending.WriteByte('\n')
	w.size += int64(len(line)) + 1
	w.changed.Broadcast()
	return sum, nil
}

// Close writes and syncs what is pending. It returns the first failure of all.
func (w *Writer) Close() error {
	w.mu.Lock()
	already := w.closed
	w.closed = true
	w.changed.Broadcast()
	w.mu.Unlock()
	<-w.done
	if !already {
		if err := w.file.Close(); err != nil && w.err == nil {
			w.err = &JournalError{w.path, err}
		}
	}
	return w.err
}

func (w *Writer) flush() {
	defer close(w.done)
	var batch bytes.Buffer
	for {
		w.mu.Lock()
		for w.pending.Len() == 0 && !w.closed {
			w.changed.Wait()
		}
		if w.pending.Len() == 0 || w.err != nil {
			w.mu.Unlock()
			return
		}
		batch, w.pending = w.pending, batch
		w.pending.Reset()
		w.changed.Broadcast()
		w.mu.Unlock()

		_, err := w.file.Write(batch.Bytes())
		if err == nil {
			err = w.file.Sync()
		}
		if err != nil {
			w.mu.Lock()
			w.err = &JournalError{w.path, err}
			w.changed.Broadcast()
			w.mu.Unlock()
			return
		}
	}
}

// A TrialWriter writes the entries of one trial.
type TrialWriter struct {
	w     *Writer
	trial int
}

// GoOn says that the run goes on, and is the first entry of a writer that [Resume] has returned. What was under way
// before will have no further entry.
func (w *Writer) GoOn(r Resumption) error {
	if err := w.Append(Entry{Kind: KindResume}, r); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chains.atOnce = r.AtOnce
	return nil
}

// Trial begins trial n. Trials are numbered 1, 2, 3, … in the order in which they begin, and no more of them are under
// way at a time than the header, or the latest resumption, says.
func (w *Writer) Trial(n int, h TrialHeader) (*TrialWriter, error) {
	if n > maxTrials {
		return nil, &JournalError{w.path, fmt.Errorf("full: a run has %d trials at most", maxTrials)}
	}
	return &TrialWriter{w, n}, w.Append(Entry{Kind: KindTrial, Trial: n}, trialEntry{h, groupsOf(h.Hosts)})
}

// Event records what was seen.
func (t *TrialWriter) Event(e fleet.Event) error {
	return t.w.Append(Entry{Kind: KindEvent, Trial: t.trial, At: e.At, Host: e.Host, What: e.What.Kind()}, e.What)
}

// Action records what was done.
func (t *TrialWriter) Action(at time.Duration, a fleet.Action) error {
	return t.w.Append(Entry{Kind: KindAction, Trial: t.trial, At: at, Host: a.Target(), What: a.Kind()}, a)
}

// Mark records one of the Mark constants.
func (t *TrialWriter) Mark(at time.Duration, name string) error {
	return t.w.Append(Entry{Kind: KindMark, Trial: t.trial, At: at, What: name}, nil)
}

// End records how the trial ended: "settled", "deadline", "invalid" or "interrupted", and why.
func (t *TrialWriter) End(at time.Duration, status, reason string) error {
	return t.w.Append(Entry{Kind: KindTrialEnd, Trial: t.trial, At: at, What: status, Reason: reason}, nil)
}

// End records how the run ended: "complete", "interrupted" or "failed", and why.
func (w *Writer) End(status, reason string, ending Ending) error {
	return w.Append(Entry{Kind: KindRunEnd, What: status, Reason: reason}, ending)
}
