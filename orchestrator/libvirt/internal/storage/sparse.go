package storage

import (
	"bytes"
	"context"
	"io"
	"os"
)

// SparseBlock is what holes are made of, in bytes: blocks of zeros are not written.
const SparseBlock = 64 << 10

// A SparseWriter writes a file without its blocks of zeros. It has to be ended.
type SparseWriter struct {
	file *os.File
	size int64
}

// Sparse is a writer to a file that is empty.
func Sparse(file *os.File) *SparseWriter { return &SparseWriter{file: file} }

// End makes the file as long as what was written.
func (w *SparseWriter) End() error { return w.file.Truncate(w.size) }

var zeros [SparseBlock]byte

func (w *SparseWriter) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		block := p[done:min(len(p), done+SparseBlock)]
		if !bytes.Equal(block, zeros[:len(block)]) {
			if _, err := w.file.WriteAt(block, w.size); err != nil {
				return done, err
			}
		}
		done += len(block)
		w.size += int64(len(block))
	}
	return len(p), nil
}

// Until reads r until ctx ends.
func Until(ctx context.Context, r io.Reader) io.Reader { return &cancelReader{ctx, r} }

// A cancelReader stops reading when ctx ends.
type cancelReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// writeSparse writes all that is read, with holes for blocks of zeros.
func writeSparse(to *os.File, from io.Reader) error {
	w := Sparse(to)
	if _, err := io.Copy(w, from); err != nil {
		return err
	}
	return w.End()
}
