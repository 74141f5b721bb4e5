package libvirt

import (
	"context"
	"io"
)

// Files are what the QEMUs of one machine find on it. Their names are without directories.
type files interface {
	// overlay makes a disk of size bytes on top of the file at path base, which is "raw" or "qcow2", and returns its path.
	overlay(ctx context.Context, name, format, base string, size int64) (path string, err error)
	// blank makes a file of size zero bytes that QEMU may write to, and returns its path.
	blank(ctx context.Context, name string, size int64) (path string, err error)
	// write makes a file that the daemon can read, and returns its path.
	write(ctx context.Context, name string, data []byte) (path string, err error)
	// output is the path at which the daemon is to write a file. read returns what is in such a file of at most limit
	// bytes, and fetch copies it.
	output(name string) string
	read(ctx context.Context, name string, limit int64) ([]byte, error)
	fetch(ctx context.Context, name string, to io.Writer, limit int64) error
	// remove removes a file, whoever made it.
	remove(ctx context.Context, name string) error
}
