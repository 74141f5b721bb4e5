package storage

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
)

// Remote are files of a machine of which only the libvirt daemon is at hand, in the daemon's store.
type Remote struct {
	line *connect.Lifeline
	dir  string // of the store; "" is the usual one

	mu   sync.Mutex
	open *Store
	qemu *fileOwner // whom a system daemon there runs QEMU as; nil for a session daemon, whose QEMUs are its own user's
}

// OpenRemote opens the daemon's store, and makes it where there is none.
func OpenRemote(ctx context.Context, line *connect.Lifeline, dir string) (*Remote, error) {
	r := &Remote{line: line, dir: dir}
	_, err := r.store(ctx)
	return r, err
}

// store is the daemon's store over the connection that there is now: a daemon that was restarted may have another pool.
func (r *Remote) store(ctx context.Context) (*Store, error) {
	conn, err := r.line.Connection(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil || r.open.conn != conn {
		s, err := OpenStore(ctx, conn, r.dir)
		if err != nil {
			return nil, err
		}
		if r.qemu = nil; strings.HasSuffix(conn.URI().Driver, "/system") {
			r.qemu = &fileOwner{}
			if r.qemu.uid, r.qemu.gid, err = conn.OwnerOfGuests(ctx); err != nil {
				return nil, err
			}
		}
		r.open = s
	}
	return r.open, nil
}

// Ship brings a file there, unless it is.
func (r *Remote) Ship(ctx context.Context, from, name string) error {
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	s, err := r.store(ctx)
	if err != nil {
		return err
	}
	return s.put(ctx, name, file, info.Size(), 0o644)
}

// Path is where QEMU finds a file.
func (r *Remote) Path(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open.path(name)
}

func (r *Remote) Output(name string) string { return r.Path(name) }

func (r *Remote) Overlay(ctx context.Context, name, format, base string, size int64) (string, error) {
	s, err := r.store(ctx)
	if err != nil {
		return "", err
	}
	return s.path(name), s.Overlay(ctx, name, base, format, size)
}

func (r *Remote) Blank(ctx context.Context, name string, size int64) (string, error) {
	s, err := r.store(ctx)
	if err != nil {
		return "", err
	}
	return s.path(name), s.createFor(ctx, name, size, r.qemu)
}

func (r *Remote) Write(ctx context.Context, name string, data []byte) (string, error) {
	s, err := r.store(ctx)
	if err != nil {
		return "", err
	}
	return s.path(name), s.put(ctx, name, bytes.NewReader(data), int64(len(data)), 0o600)
}

func (r *Remote) Read(ctx context.Context, name string, limit int64) ([]byte, error) {
	var data bytes.Buffer
	err := r.Fetch(ctx, name, &data, limit)
	return data.Bytes(), err
}

func (r *Remote) Fetch(ctx context.Context, name string, to io.Writer, limit int64) error {
	s, err := r.store(ctx)
	if err != nil {
		return err
	}
	return s.get(ctx, name, to, limit)
}

func (r *Remote) Remove(ctx context.Context, name string) error {
	s, err := r.store(ctx)
	if err != nil {
		return err
	}
	return s.Remove(ctx, name)
}

// Size is a file's; false when it is not there.
func (r *Remote) Size(ctx context.Context, name string) (int64, bool, error) {
	s, err := r.store(ctx)
	if err != nil {
		return 0, false, err
	}
	return s.size(ctx, name)
}

// RemoveAll removes the files whose names are meant.
func (r *Remote) RemoveAll(ctx context.Context, meant func(name string) bool) error {
	s, err := r.store(ctx)
	if err != nil {
		return err
	}
	return s.RemoveAll(ctx, meant)
}
