package results

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
)

// TestLinesInOrder: each line comes once, in order, however many batches they fill, and the last says why it ends.
func TestLinesInOrder(t *testing.T) {
	for _, n := range []int{0, 1, batchLines - 1, batchLines, batchLines + 1, 7*batchLines + 3} {
		var journal bytes.Buffer
		for i := range n {
			fmt.Fprintf(&journal, "{\"k\":\"mark\",\"trial\":%d}\n", i+1)
		}
		journal.WriteString("rest")
		seen := 0
		decoded(&journal, func(l *line) bool {
			if l.end != nil {
				if !errors.Is(l.end, io.EOF) || string(l.text) != "rest" || seen != n {
					t.Errorf("%d lines end after %d with %q, %v", n, seen, l.text, l.end)
				}
				seen++
				return true
			}
			if seen++; l.err != nil || l.entry.Trial != seen {
				t.Errorf("line %d is %+v, %v", seen, l.entry, l.err)
			}
			return true
		})
		if seen != n+1 {
			t.Errorf("%d of %d lines, and the end", seen, n)
		}
	}
}

// endless is a journal without end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read++
	return copy(p, "{\"k\":\"mark\"}\n"), nil
}

// TestLinesStop: who has seen enough is not kept waiting for the rest, and nothing of it is left behind.
func TestLinesStop(t *testing.T) {
	r, seen := &endless{}, 0
	decoded(r, func(*line) bool {
		seen++
		return seen < 3*batchLines
	})
	if read := r.read; seen != 3*batchLines || read > 100*batchLines {
		t.Errorf("%d lines were taken, and %d read", seen, read)
	}
}
