package results

import (
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
		var e Entry
		if err == nil {
			err = json.Unmarshal(s.line, &e)
		}
		if err == nil && i == 0 && verifies != 0 {
			var t trialEntry
			err = json.Unmarshal(e.Data, &t)
			t.Verifies = verifies
			e.Data, err = marshal(t, err)
		}
		if err != nil {
			return &JournalError{s.path, fmt.Errorf("trial %d: %w", trial, err)}
		}
		e.Trial = as
		if err := w.Append(e, nil); err != nil {
			return err
		}
	}
	if sum := w.sum(as); verifies == 0 && sum != s.sums[trial-1] {
		return &JournalError{s.path, fmt.Errorf("trial %d: its lines are not those that were read before", trial)}
	}
	return nil
}

func marshal(v any, err error) (json.RawMessage, error) {
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// sum is that of a trial's latest entry.
func (w *Writer) sum(trial int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.chains.trials[trial-1]
}
