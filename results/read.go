package results

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// What is read at most: one line, and all of a journal, in bytes. A hundred hosts that beat each second for a day come
// to 3 GB.
const (
	maxEntry   = 16 << 20
	maxJournal = 8 << 30
)

// A Journal is a journal as read back.
type Journal struct {
	Header
	Resumed []Resumption   // in order; none for a run that went through
	Trials  []*TrialRecord // in the order in which they began
	Status  string         // "complete", "interrupted" or "failed"; "interrupted" for a journal without an end
	Reason  string
	Ending  *Ending       // the last part's; nil for a journal without an end
	Took    time.Duration // wall-clock; sum of the parts that have an end

	// Unchecked: the journal is of a fleetfall whose entries carry no checksums. Damage to it may not have been
	// noticed.
	Unchecked bool
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

// Read reads a journal. One that breaks off, as that of a killed run does, is read up to its last whole line. A line
// before that which is damaged, or which no run could have written, is an error that names it and says which trials
// before it are whole.
func Read(r io.Reader) (*Journal, error) {
	rd, _, err := readWhole(r)
	if err != nil {
		return nil, err
	}
	return rd.journal, nil
}

// A reader is a journal as far as it was read.
type reader struct {
	journal  *Journal
	chains   *chains
	open     map[int]*trialCheck // of the trials that are under way, by number
	lines    int
	begins   []int             // of each trial, its first line, from 1
	ends     []int             // of each trial, its last line; 0 when it has no end
	previous []byte            // line
	counted  map[place]int     // the trial that came to an end that counts
	hosts    map[wave]*hostSet // that were read last
	distinct int               // hosts in them
}

// readWhole is Read, and says how many bytes the whole lines are.
func readWhole(r io.Reader) (rd *reader, size int64, err error) {
	return readWith(r, func(*line, int64) {})
}

// readWith is readWhole, and tells of each line once it is read, and of where it begins.
func readWith(r io.Reader, told func(l *line, offset int64)) (rd *reader, size int64, err error) {
	rd = &reader{
		journal: &Journal{Status: StatusInterrupted, Reason: noEnd},
		counted: map[place]int{}, open: map[int]*trialCheck{}, hosts: map[wave]*hostSet{},
	}
	decoded(r, func(l *line) bool {
		if errors.Is(l.end, io.EOF) {
			if err = tornOff(l.text); err == nil && rd.lines == 0 {
				err = errors.New("the journal is empty")
			}
			return false
		}
		if err = l.end; err == nil {
			err = rd.add(l)
		}
		begins := size
		if size += int64(len(l.text)) + 1; err == nil && size > maxJournal {
			err = fmt.Errorf("the journal is longer than %d bytes", int64(maxJournal))
		}
		if err == nil {
			told(l, begins)
			rd.lines++
			rd.previous = l.text
		}
		return err == nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("line %d: %w%s", rd.lines+1, err, rd.usable(err))
	}
	rd.journal.supersede()
	return rd, size, nil
}

// tornOff is an error unless rest, what follows the last newline, is what is there of a line that was never wholly
// written.
func tornOff(rest []byte) error {
	d := json.NewDecoder(bytes.NewReader(rest))
	if d.Decode(new(json.RawMessage)) == nil && d.InputOffset() < int64(len(rest)) {
		return errors.New("damaged: it does not end in a newline, and is longer than an entry")
	}
	return nil
}

// usable says what can be done with a journal that has this error behind the lines that were read: which trials are
// whole in as many of its first lines as hold nothing that is damaged.
func (rd *reader) usable(err error) string {
	limit := rd.lines
	if other := otherTrial(0); errors.As(err, &other) && int(other) <= len(rd.begins) {
		limit = rd.begins[other-1] - 1
	}
	var whole []int
	lines := 0
	for i, end := range rd.ends {
		if end > 0 && end <= limit {
			whole, lines = append(whole, i+1), max(lines, end)
		}
	}
	trials := fmt.Sprintf("trials %s are whole", ranges(whole))
	switch len(whole) {
	case 0:
		return "; no trial before it is whole"
	case 1:
		trials = fmt.Sprintf("trial %d is whole", whole[0])
	}
	return fmt.Sprintf("; %s: the first %d lines, copied into a file %s in a directory of their own, "+
		"can be reported on and replayed", trials, lines, JournalFile)
}

// ranges are numbers in words, which ascend: "1 to 3, 5".
func ranges(numbers []int) string {
	var parts []string
	for len(numbers) > 0 {
		n := 1
		for n < len(numbers) && numbers[n] == numbers[0]+n {
			n++
		}
		part := fmt.Sprint(numbers[0])
		if n > 1 {
			part += fmt.Sprintf(" to %d", numbers[n-1])
		}
		parts, numbers = append(parts, part), numbers[n:]
	}
	return strings.Join(parts, ", ")
}

// noEnd is why a run without an end counts as interrupted.
const noEnd = "the journal has no end"

// readLine returns the next line without its newline, or io.EOF and what is left when no newline is.
func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxEntry:
			return line, fmt.Errorf("longer than %d bytes", maxEntry)
		case err == nil:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}

// add takes the next line.
func (rd *reader) add(l *line) error {
	e, line := l.entry, l.text
	if l.err != nil {
		return fmt.Errorf("damaged: %w", l.err)
	}
	if first := rd.lines == 0; first != (e.Kind == KindRun) {
		return fmt.Errorf("a journal begins with one entry of kind %q, this is %q", KindRun, e.Kind)
	}
	j := rd.journal
	if e.Kind == KindRun {
		if err := j.begin(e.Data); err != nil {
			return err
		}
		rd.chains = newChains(j.Schema, j.AtOnce)
	}
	if j.Ending != nil && e.Kind != KindResume {
		return fmt.Errorf("%s after the end of the run, which was not resumed", e.Kind)
	}
	if err := rd.chains.check(e, line); err != nil {
		return err
	}
	if j.Unchecked && bytes.Equal(line, rd.previous) && (e.What == "beat" || e.What == "panic" || e.What == "threat") {
		return fmt.Errorf("damaged: the line before it is the same: no host has the same %s twice at one instant", e.What)
	}
	switch e.Kind {
	case KindRun:
		return nil
	case KindRunEnd:
		clear(rd.open)
		return j.end(e)
	case KindResume:
		clear(rd.open)
		err := j.resume(e)
		if err == nil {
			rd.chains.atOnce = j.Resumed[len(j.Resumed)-1].AtOnce
		}
		return err
	case KindTrial:
		t, err := rd.beginTrial(e)
		if err != nil {
			return fmt.Errorf("trial %d: %w", e.Trial, err)
		}
		rd.open[e.Trial] = t
		rd.begins, rd.ends = append(rd.begins, rd.lines+1), append(rd.ends, 0)
		return nil
	}
	t := rd.open[e.Trial] // which the chains have seen begin, and not end
	if err := t.add(l); err != nil {
		return fmt.Errorf("%s of trial %d: %w", e.Kind, e.Trial, err)
	}
	if e.Kind == KindTrialEnd {
		if err := rd.endTrial(t.TrialRecord); err != nil {
			return err
		}
		delete(rd.open, e.Trial)
		rd.ends[e.Trial-1] = rd.lines + 1
	}
	return nil
}
