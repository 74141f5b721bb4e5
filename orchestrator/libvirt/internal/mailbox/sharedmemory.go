package mailbox

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

// sharedMemory is a mailbox in a file that QEMU maps too. Memory behind which there is no file any more, since the
// disk has failed or whoever has got out of the guest has cut the file short, is an error of that guest's alone:
// without care it is a signal that ends this process.
type sharedMemory struct{ box protocol.Mailbox }

// mapShared maps a file that it gives this size. The file's space is taken at once: where a page of it was first
// written to when the disk was full, that signal would be what tells.
func mapShared(file *os.File, size int) (sharedMemory, error) {
	err := unix.Fallocate(int(file.Fd()), 0, 0, int64(size))
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		_, err = file.Write(make([]byte, size))
	}
	if err != nil {
		return sharedMemory{}, fmt.Errorf("reserve %d bytes: %w", size, err)
	}
	box, err := syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return sharedMemory{}, fmt.Errorf("map memory: %w", err)
	}
	return sharedMemory{box}, nil
}

var ErrGone = errors.New("the memory that is shared with the guest is gone: its file was cut short, or the disk failed")

// touch calls f, and returns as an error that there is no memory where there should be.
func touch(f func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }: // the runtime's, of a fault at an address
			err = ErrGone
		default:
			panic(fault)
		}
	}()
	f()
	return nil
}

// The methods of protocol.Mailbox that a host calls.

func (m sharedMemory) request() (number uint64, line []byte, err error) {
	gone := touch(func() { number, line, err = m.box.Request() })
	return number, line, errors.Join(err, gone)
}

func (m sharedMemory) answer(number uint64, line []byte) (err error) {
	gone := touch(func() { err = m.box.Answer(number, line) })
	return errors.Join(err, gone)
}

func (m sharedMemory) hold(ticks uint64) error { return touch(func() { m.box.Hold(ticks) }) }

func (m sharedMemory) snapshot() (letters []byte, err error) {
	err = touch(func() { letters = m.box.Snapshot() })
	return letters, err
}

func (m sharedMemory) resume(snapshot []byte) (err error) {
	gone := touch(func() { err = m.box.Resume(snapshot) })
	return errors.Join(err, gone)
}

// close gives the memory back, if there is any.
func (m sharedMemory) close() error {
	if m.box == nil {
		return nil
	}
	return syscall.Munmap(m.box)
}
