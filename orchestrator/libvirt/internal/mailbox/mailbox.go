// Package mailbox is what a guest on the virtual clock and we share: memory that it asks in, a bell that it rings and
// stands still for, and a pipe that is its console.
package mailbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/storage"
)

// A Mailbox is our end of the memory that a guest on the virtual clock asks in, and of the bell that it rings.
type Mailbox struct {
	memory  sharedMemory
	bell    *bell
	rung    atomic.Value // of func(): called when the guest stands still and wants an answer
	files   *storage.Local
	name    string // of the memory's file
	console string // the machine's console, see pipe.go
}

// Paths are where QEMU finds what it shares with us.
type Paths struct {
	Memory  string // of the size of protocol.MailboxSize
	Bell    string // the socket that serves the guest's floppy drive
	Console string // a pipe
}

// New makes what a domain of this name shares with us, for a QEMU that runs as this account. A copy of a template
// finds the template's letters in it; nil for none.
func New(files *storage.Local, a account.Account, domain string, letters []byte) (_ *Mailbox, at Paths, err error) {
	m := &Mailbox{files: files, name: domain + suffix, console: files.Path(domain + ".tty")}
	at.Console = m.console
	if err := makePipe(m.console, a); err != nil {
		return nil, at, err
	}
	defer func() {
		if err != nil {
			removePipe(m.console)
		}
	}()
	at.Memory, err = files.File(m.name, func(file *os.File) error {
		m.memory, err = mapShared(file, protocol.MailboxSize)
		return err
	})
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("make mailbox: %w", err), m.memory.close(), files.RemoveOurs(m.name))
		}
	}()
	if err != nil {
		return nil, at, err
	}
	if letters != nil {
		if err := m.memory.resume(letters); err != nil {
			return nil, at, err
		}
	}
	at.Bell = files.Path(domain + ".bell")
	m.bell, err = newBell(at.Bell, a, func() {
		if rung, ok := m.rung.Load().(func()); ok {
			rung()
		}
	})
	return m, at, err
}

const suffix = ".mailbox"

// OpenConsole opens our end of the console, of a QEMU that has opened its own.
func (m *Mailbox) OpenConsole() (io.ReadCloser, error) { return openPipe(m.console) }

// Listen has rung called whenever the guest stands still and wants an answer. It must not block.
func (m *Mailbox) Listen(rung func()) { m.rung.Store(rung) }

// Request is what the guest asks that has rung.
func (m *Mailbox) Request() (number uint64, line []byte, err error) { return m.memory.request() }

// Answer lets the guest go on that has asked this. Its error is errGone, or that nobody has rung: QEMU has ended then.
func (m *Mailbox) Answer(number uint64, line []byte) error {
	if err := m.memory.answer(number, line); err != nil {
		return err
	}
	return m.bell.answer()
}

// Hold lets a guest that rings do nothing for so many ticks, and then ring again. It is an error when nobody rings
// any more.
func (m *Mailbox) Hold(ticks uint64) error {
	if err := m.memory.hold(ticks); err != nil {
		return err
	}
	return m.bell.answer()
}

// Letters are what is in it now, for copies of the guest.
func (m *Mailbox) Letters() ([]byte, error) { return m.memory.snapshot() }

// Release lets a guest that waits go on unanswered, so that its QEMU can end: a CPU that stands still holds it up.
func (m *Mailbox) Release() { m.bell.close() }

// Close gives the memory back. Nobody may use it any more, and the VM is gone.
func (m *Mailbox) Close(ctx context.Context) error {
	m.bell.close()
	removePipe(m.console)
	return errors.Join(m.memory.close(), m.files.Remove(context.WithoutCancel(ctx), m.name))
}
