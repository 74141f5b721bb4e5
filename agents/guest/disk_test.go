package main

import (
	"bytes"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/internal/capability"
)

// signed returns a harmless channel file of this version.
func signed(t testing.TB, version uint64) []byte {
	t.Helper()
	body, err := content.Encode(content.Update(version))
	if err != nil {
		t.Fatal(err)
	}
	_, key := content.TestVendorKey()
	return content.Sign(body, key)
}

// newDisk returns a disk as an image ships it, with content 1.
func newDisk(t testing.TB) *disk {
	t.Helper()
	d := &disk{root: t.TempDir()}
	if err := os.Mkdir(filepath.Dir(d.current()), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{d.shipped(), d.current()} {
		if err := os.WriteFile(path, signed(t, 1), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// replace makes a file the newest content.
func (d *disk) replace(data []byte) error {
	i, err := d.receive(content.ChannelPath)
	if err == nil {
		err = i.add(data)
	}
	if err == nil {
		err = i.put(content.Digest(data), int64(len(data)))
	}
	if err != nil && i != nil {
		err = errors.Join(err, i.drop())
	}
	return err
}

// files lists what is in the disk's folder of content.
func (d *disk) files(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(d.current()))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestReplaceAndRestore(t *testing.T) {
	d := newDisk(t)
	if err := d.replace(signed(t, 2)); err != nil {
		t.Fatal(err)
	}
	if v, err := d.version(); v != 2 || err != nil {
		t.Errorf("after replace: version %d, %v", v, err)
	}
	if err := d.restore(); err != nil {
		t.Fatal(err)
	}
	if v, err := d.version(); v != 1 || err != nil {
		t.Errorf("after restore: version %d, %v", v, err)
	}
	if got, want := d.files(t), []string{filepath.Base(d.current()), shippedName}; !slices.Equal(got, want) {
		t.Errorf("the folder holds %q, want %q", got, want)
	}
}

func TestRestoreRemovesAllTheSame(t *testing.T) {
	d := newDisk(t)
	if err := os.Remove(d.shipped()); err != nil {
		t.Fatal(err)
	}
	if err := d.restore(); err == nil {
		t.Error("no error without shipped content")
	}
	if got := d.files(t); len(got) > 0 {
		t.Errorf("the folder holds %q, want nothing: the newest content is what crashes the machine", got)
	}
	if v, err := d.version(); v != 0 || err == nil {
		t.Errorf("version %d, %v of no file", v, err)
	}
	if err := os.WriteFile(d.shipped(), signed(t, 1), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := d.restore(); err != nil { // nothing there to remove
		t.Error(err)
	}
}

func TestReplaceThatFails(t *testing.T) {
	d := newDisk(t)
	current := d.current()
	if err := os.Remove(current); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(current, "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := d.replace(signed(t, 2)); err == nil {
		t.Error("no error when the file cannot be replaced")
	}
	if got, want := d.files(t), []string{filepath.Base(d.current()), shippedName}; !slices.Equal(got, want) {
		t.Errorf("the folder holds %q, want %q: the temporary file must not stay", got, want)
	}
}

// At each instant the file is one whole version.
func TestReplaceIsAtomic(t *testing.T) {
	d := newDisk(t)
	one, two := signed(t, 1), signed(t, 2)
	var writer sync.WaitGroup
	done := make(chan struct{})
	writer.Go(func() {
		defer close(done)
		for i := range 50 {
			data := one
			if i%2 == 0 {
				data = two
			}
			if err := d.replace(data); err != nil {
				t.Error(err)
			}
		}
	})
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		data, err := os.ReadFile(d.current())
		if err != nil || !bytes.Equal(data, one) && !bytes.Equal(data, two) {
			t.Fatalf("read %d bytes, %v: neither the old nor the new file", len(data), err)
		}
	}
	writer.Wait()
}

// What was just put on the disk can be used at once, also by those who use nothing that somebody may write to, whatever
// is executed meanwhile: the kernel's agent, which reads content as the kernel reads a program.
func TestReplacedContentIsNotOpenForWriting(t *testing.T) {
	d := newDisk(t)
	path := d.current()
	var others sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := execute("/bin/true"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	defer others.Wait()
	defer close(stop)
	for i := range 300 {
		if err := d.replace([]byte("#!/bin/true\n")); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := execute(path); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
	}
}

// An execution that hangs keeps neither content from the disk nor other executions from being started.
func TestReplaceWhileAnExecutionHangs(t *testing.T) {
	// As tune has it for the guest: an execution that hangs holds a processor, and a garbage collection would wait for it.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(executions + 1))
	d := newDisk(t)
	program, release := leased(t)
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGIO)
	defer signal.Stop(broken)
	hung := make(chan error, 1)
	go func() { hung <- execute(program) }()
	<-broken // the execution waits for the lease

	replaced := make(chan error, 1)
	go func() { replaced <- d.replace(signed(t, 2)) }()
	for others, going := 0, true; going; others++ {
		if err := execute("/bin/true"); err != nil {
			t.Error(err)
		}
		select {
		case err := <-replaced:
			if v, unread := d.version(); err != nil || v != 2 {
				t.Errorf("replaced: %v; version %d, %v", err, v, unread)
			}
			going = false
		case err := <-hung:
			t.Fatalf("after %d other executions, the one that hangs has ended before content was replaced (%v)", others, err)
		default:
		}
	}
	release()
	if err := <-hung; err != nil {
		t.Error(err)
	}
}

// leased makes a program whose execution waits until release is called, or for the time that the kernel gives the
// holder of a lease.
func leased(t *testing.T) (program string, release func()) {
	t.Helper()
	code, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(t.TempDir(), "leased")
	if err := os.WriteFile(program, code, 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	lease := func(kind uintptr) error {
		if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, file.Fd(), syscall.F_SETLEASE, kind); errno != 0 {
			return errno
		}
		return nil
	}
	err = lease(syscall.F_WRLCK)
	capability.Need(t, err == nil, "a file system for temporary files that has leases", "see fcntl(2)")
	return program, sync.OnceFunc(func() {
		if err := lease(syscall.F_UNLCK); err != nil {
			t.Error(err)
		}
	})
}
