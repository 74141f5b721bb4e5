package libvirt

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
)

// sparseBlock is what holes are made of, in bytes: blocks of zeros are not written.
const sparseBlock = 64 << 10

// readFileOfAtMost reads a whole file that has no reason to be larger.
func readFileOfAtMost(path string, limit int64) ([]byte, error) {
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

// A sparseWriter writes a file without its blocks of zeros. The file has to be truncated to size at the end.
type sparseWriter struct {
	file *os.File
	size int64
}

var zeros [sparseBlock]byte

func (w *sparseWriter) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		block := p[done:min(len(p), done+sparseBlock)]
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
	size, err := io.Copy(&sparseWriter{file: to}, from)
	if err != nil {
		return err
	}
	return to.Truncate(size)
}
