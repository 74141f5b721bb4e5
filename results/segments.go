package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
)

// Segments are a journal whose trials can be copied, each as it stands there.
type Segments struct {
	*Journal
	path string
	file *os.File
	at   [][]stretch // of each trial, its lines
	sums []string    // of each trial, that of its last line
	line []byte      // that is copied
}

// A stretch is where a line lies in a file, without its newline.
type stretch struct {
	from   int64
	length int
}

// OpenSegments reads the journal at path, which has to be whole and to have checksums. It is to be closed.
func OpenSegments(path string) (*Segments, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &JournalError{path, err}
	}
	s := &Segments{path: path, file: f}
	rd, _, err := readWith(f, func(l *line, offset int64) {
		n := l.entry.Trial
		if n > len(s.at) {
			s.at = append(s.at, nil)
		}
		if n > 0 {
			s.at[n-1] = append(s.at[n-1], stretch{offset, len(l.text)})
		}
	})
	if err == nil && rd.journal.Unchecked {
		err = errors.New("its entries carry no checksums")
	}
	if err != nil {
		return nil, errors.Join(&JournalError{path, err}, f.Close())
	}
	s.Journal, s.sums = rd.journal, rd.chains.trials
	return s, nil
}

// Close closes the file.
func (s *Segments) Close() error { return s.file.Close() }

// Copy appends a trial of the journal to another one, as its trial number as. One that verifies another trial verifies
// that of the number verifies there, and has other sums for it; any other has the same.
func (s *Segments) Copy(w *Writer, trial, as, verifies int) error {
	for i, line := range s.at[trial-1] {
		s.line = slices.Grow(s.line[:0], line.length)[:line.length]
		_, err := s.file.ReadAt(s.line, line.from)
		switch {
		case err != nil:
		case i == 0 && verifies != 0:
			err = copyHeader(w, s.line, as, verifies)
		default:
			err = w.copy(s.line, as, verifies == 0)
		}
		if err != nil {
			return &JournalError{s.path, fmt.Errorf("trial %d: %w", trial, err)}
		}
	}
	return nil
}

// copyHeader appends the header of a trial that verifies another.
func copyHeader(w *Writer, line []byte, as, verifies int) error {
	var e Entry
	var t trialEntry
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	if err := json.Unmarshal(e.Data, &t); err != nil {
		return err
	}
	t.Verifies, e.Trial, e.Data = verifies, as, nil
	return w.Append(e, t)
}

// copy appends a line of another journal, as one of this trial. same says that its sum is to be what it was there.
func (w *Writer) copy(line []byte, trial int, same bool) error {
	covered, was, err := cutSum(line)
	if err != nil {
		return err
	}
	kind, _, ok := bytes.Cut(bytes.TrimPrefix(covered, []byte(`{"k":"`)), []byte(`"`))
	before, after := withoutTrial(covered)
	if !ok || after == nil {
		return errors.New("damaged: a line of no trial")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.room(); err != nil {
		return err
	}
	sum, err := w.put(Kind(kind), "", trial, slices.Concat(before, fmt.Appendf(nil, `,"trial":%d`, trial), after))
	if err == nil && same && sum != was {
		return errors.New("its lines are not those that were read before")
	}
	return err
}
