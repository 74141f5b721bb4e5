package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/daemontest"
)

func TestStorePut(t *testing.T) {
	_, s := scratchStore(t)
	zeros := make([]byte, 3*mib)
	for name, content := range map[string][]byte{
		"empty": {}, "byte": {7}, "zero": {0}, "noise": noise(5*mib, 1), "zeros": zeros[:2*mib+1],
		"holes": slices.Concat(zeros[:mib], noise(mib, 2), zeros, noise(1, 3), zeros[:mib+5], noise(mib/2, 4), zeros),
	} {
		t.Run(name, func(t *testing.T) {
			mustPut(t, s, name, content)
			size, found, err := s.size(t.Context(), name)
			if err != nil || !found || size != int64(len(content)) {
				t.Errorf("size %d, %v, %v", size, found, err)
			}
			info, err := os.Stat(s.path(name))
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != 0o666 {
				t.Errorf("mode %v", info.Mode())
			}
			if held := info.Sys().(*syscall.Stat_t).Blocks * 512; name == "holes" && held > 4*mib {
				t.Errorf("it takes %d bytes of disk", held)
			}
			// Nothing is read or written once it is whole.
			if err := s.put(t.Context(), name, nil, int64(len(content)), 0o666); err != nil {
				t.Errorf("put again: %v", err)
			}
			err = s.put(t.Context(), name, nil, int64(len(content))+1, 0o666)
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("put another of the same name: %v", err)
			}
			if len(content) > 0 {
				err := s.get(t.Context(), name, io.Discard, int64(len(content))-1)
				if err == nil || !strings.Contains(err.Error(), "limit") {
					t.Errorf("get more than the limit: %v", err)
				}
			}
		})
	}
}

// A source is a reader that does something before what comes after its first bytes.
type source struct {
	io.Reader
	then func() error
	rest io.Reader
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != io.EOF {
		return n, err
	}
	if s.then != nil {
		then := s.then
		s.then = nil
		if err := then(); err != nil {
			return n, err
		}
	}
	n, err = s.rest.Read(p)
	return n, err
}

func TestStorePutCut(t *testing.T) {
	_, s := scratchStore(t)
	broken := errors.New("the disk is broken")
	const size = 4 * mib
	for name, put := range map[string]func(name string) error{
		"source fails": func(name string) error {
			r := &source{
				Reader: bytes.NewReader(noise(2*mib+1, 1)), then: func() error { return broken }, rest: bytes.NewReader(nil),
			}
			err := s.put(t.Context(), name, r, size, 0o600)
			if !errors.Is(err, broken) {
				t.Errorf("error %v", err)
			}
			return err
		},
		"ctx ends": func(name string) error {
			ctx, cancel := context.WithCancel(t.Context())
			r := &source{
				Reader: bytes.NewReader(noise(2*mib, 1)), then: func() error { cancel(); return nil },
				rest: bytes.NewReader(noise(2*mib, 1)),
			}
			err := s.put(ctx, name, r, size, 0o600)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			return err
		},
		"source too short": func(name string) error {
			return s.put(t.Context(), name, bytes.NewReader(noise(size-1, 1)), size, 0o600)
		},
		"source too long": func(name string) error {
			err := s.put(t.Context(), name, bytes.NewReader(noise(size+1, 1)), size, 0o600)
			if err != nil && !strings.Contains(err.Error(), "more than") {
				t.Errorf("error %v", err)
			}
			return err
		},
		"another was bigger": func(name string) error {
			return s.put(t.Context(), name, bytes.NewReader(noise(size, 1)), 2*size, 0o600)
		},
		"another was smaller": func(name string) error {
			return s.put(t.Context(), name, bytes.NewReader(noise(size, 1)), size/2, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			name := strings.ReplaceAll(name, " ", "-")
			err := put(name)
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("error %v, want one that names the file", err)
			}
			if whole, err := s.has(t.Context(), name); err != nil || whole {
				t.Errorf("half a file is whole: %v, %v", whole, err)
			}
			if names, err := s.list(t.Context(), name); err != nil || !slices.Equal(names, []string{name}) {
				t.Errorf("listed: %v, %v", names, err)
			}
			// Zeros must be written, too, over what was there.
			mustPut(t, s, name, slices.Concat(make([]byte, mib), noise(mib, 2), make([]byte, 2*mib)))
		})
	}
}

// TestStoreMarkAlone removes a file behind the daemon's back: its mark must not make the next half file whole.
func TestStoreMarkAlone(t *testing.T) {
	_, s := scratchStore(t)
	mustPut(t, s, "file", noise(10, 1))
	if err := os.Remove(s.path("file")); err != nil {
		t.Fatal(err)
	}
	if err := s.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if whole, err := s.has(t.Context(), "file"); err != nil || whole {
		t.Errorf("a file that is not there is whole: %v, %v", whole, err)
	}
	if err := s.put(t.Context(), "file", bytes.NewReader(noise(9, 2)), 10, 0o600); err == nil {
		t.Error("no error of a short source")
	}
	if whole, err := s.has(t.Context(), "file"); err != nil || whole {
		t.Errorf("half a file is whole: %v, %v", whole, err)
	}
}

// TestStoreSlow has a source and a sink that wait for calls of the same connection, more of them than the daemon
// queues.
func TestStoreSlow(t *testing.T) {
	_, s := scratchStore(t)
	content := noise(12*mib, 1)
	calls := func() error {
		for range 10 {
			if _, _, err := s.size(t.Context(), "none"); err != nil {
				return err
			}
		}
		return nil
	}
	r := &source{Reader: bytes.NewReader(content[:2*mib]), then: calls, rest: bytes.NewReader(content[2*mib:])}
	if err := s.put(t.Context(), "file", r, int64(len(content)), 0o600); err != nil {
		t.Fatal(err)
	}
	wantStored(t, s, "file", content)
	w := &sink{then: calls}
	if err := s.get(t.Context(), "file", w, int64(len(content))); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(w.got.Bytes(), content) {
		t.Error("a slow sink got other bytes")
	}
	w.then = func() error { return io.ErrShortWrite }
	if err := s.get(t.Context(), "file", w, int64(len(content))); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a sink that fails: %v", err)
	}
	if err := calls(); err != nil {
		t.Errorf("after a sink that failed: %v", err)
	}
}

// A sink does something before its first write.
type sink struct {
	got  bytes.Buffer
	then func() error
}

func (s *sink) Write(p []byte) (int, error) {
	if s.then != nil {
		then := s.then
		s.then = nil
		if err := then(); err != nil {
			return 0, err
		}
	}
	return s.got.Write(p)
}

func TestStoreLost(t *testing.T) {
	d, s := scratchStore(t)
	r := &source{
		Reader: bytes.NewReader(noise(2*mib, 1)), then: func() error { d.Kill(); return nil },
		rest: bytes.NewReader(noise(6*mib, 1)),
	}
	if err := s.put(t.Context(), "file", r, 8*mib, 0o600); !connect.IsLost(err) || !strings.Contains(err.Error(), "file") {
		t.Errorf("the daemon was killed: %v", err)
	}
	d.Start(t)
	s = storeAt(t, d, "scratch")
	if whole, err := s.has(t.Context(), "file"); err != nil || whole {
		t.Errorf("half a file is whole: %v, %v", whole, err)
	}
	mustPut(t, s, "file", noise(8*mib, 2))
}

// TestStoreLostQuietly loses the daemon in a way that the transfer's own connection does not show.
func TestStoreLostQuietly(t *testing.T) {
	_, s := scratchStore(t)
	wait := make(chan struct{})
	r := &source{
		Reader: bytes.NewReader(noise(2*mib, 1)), rest: &endless{until: wait},
		then: func() error {
			go func() {
				defer close(wait)
				s.conn.Cut()
				<-s.conn.Lost()
			}()
			return nil
		},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.put(ctx, "file", r, 1<<40, 0o600); !connect.IsLost(err) {
		t.Errorf("the connection ended: %v", err)
	}
}

// endless gives zeros without end, once it may: they take no space.
type endless struct{ until chan struct{} }

func (e *endless) Read(p []byte) (int, error) {
	<-e.until
	clear(p)
	return len(p), nil
}

func TestStoreFull(t *testing.T) {
	d := daemontest.Listen(t)
	capability.Need(t, os.Getuid() == 0, "root", "the test mounts a small file system")
	dir := filepath.Join(d.Dir, "h/full")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf("size=4m,uid=%d,mode=755", d.Account.UID)
	if err := syscall.Mount("none", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.Kill()
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s := storeAt(t, d, "full")
	for _, size := range []int{4*mib + 1, 12 * mib} {
		name := fmt.Sprintf("big-%d", size)
		err := s.put(t.Context(), name, bytes.NewReader(noise(size, 1)), int64(size), 0o600)
		text := strings.ToLower(fmt.Sprint(err))
		if !strings.Contains(text, name) || !strings.Contains(text, "no space left") {
			t.Errorf("put %d bytes: %v", size, err)
		}
		if whole, err := s.has(t.Context(), name); err != nil || whole {
			t.Errorf("half a file is whole: %v, %v", whole, err)
		}
		if err := s.Remove(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	mustPut(t, s, "fits", noise(3*mib, 1))
}
