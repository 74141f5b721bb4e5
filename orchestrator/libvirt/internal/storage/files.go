// Package storage is where the QEMUs of a machine find files: here in the directory of a run, and on a machine of
// which only the libvirt daemon is at hand in a pool of that daemon.
package storage

import (
	"context"
	"io"
)

// Files are what the QEMUs of one machine find on it. Their names are without directories.
type Files interface {
	// Overlay makes a disk of size bytes on top of the file at path base, which is "raw" or "qcow2", and returns its
	// path.
	Overlay(ctx context.Context, name, format, base string, size int64) (path string, err error)
	// Blank makes a file of size zero bytes that QEMU may write to, and returns its path.
	Blank(ctx context.Context, name string, size int64) (path string, err error)
	// Write makes a file that the daemon can read, and returns its path.
	Write(ctx context.Context, name string, data []byte) (path string, err error)
	// Output is the path at which the daemon is to write a file. read returns what is in such a file of at most limit
	// bytes, and fetch copies it.
	Output(name string) string
	Read(ctx context.Context, name string, limit int64) ([]byte, error)
	Fetch(ctx context.Context, name string, to io.Writer, limit int64) error
	// Remove removes a file, whoever made it.
	Remove(ctx context.Context, name string) error
}
