package storage

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
)

// SparseBlock is what holes are made of, in bytes: blocks of zeros are not written.
const SparseBlock = 64 << 10

// ReadFileOfAtMost reads a whole file that has no reason to be larger.
func ReadFileOfAtMost(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return data, err
}

// A sparseWriter writes a file without its blocks of zeros. It has to be ended.
type sparseWriter struct {
	file *os.File
	size int64
}

// Sparse is a writer to a file that is empty.
func Sparse(file *os.File) *sparseWriter { return &sparseWriter{file: file} }

// End makes the file as long as what was written.
func (w *sparseWriter) End() error { return w.file.Truncate(w.size) }

var zeros [SparseBlock]byte

func (w *sparseWriter) Write(p []byte) (int, error) {
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
