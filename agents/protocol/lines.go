package protocol

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrTooLong is returned by a LineReader for a line over its bound; the rest of that line is skipped.
var ErrTooLong = errors.New("line too long")

// A LineReader reads lines of bounded length and skips what is longer.
type LineReader struct {
	r    *bufio.Reader
	max  int
	line []byte
}

// NewLineReader reads lines of at most max bytes from r.
func NewLineReader(r io.Reader, max int) *LineReader {
	return &LineReader{r: bufio.NewReaderSize(r, 32<<10), max: max}
}

// Next returns the next line that is not empty, without its newline. It is good until the next call. An error that
// wraps ErrTooLong is not final.
func (l *LineReader) Next() ([]byte, error) {
	for {
		line := l.line[:0]
		size := 0
		for {
			part, err := l.r.ReadSlice('\n')
			size += len(part)
			if size <= l.max+1 {
				line = append(line, part...)
			}
			if err == nil {
				break
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				return nil, err
			}
		}
		l.line = line
		if size > l.max+1 {
			return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLong, size-1, l.max)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line, nil
		}
	}
}
