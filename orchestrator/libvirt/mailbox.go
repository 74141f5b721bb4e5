package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

// A mailbox is our end of the memory that a guest on the virtual clock asks in, and of the bell that it rings.
type mailbox struct {
	memory protocol.Mailbox
	bell   *bell
	rung   atomic.Value // of func(): called when the guest stands still and wants an answer
	place  place
	name   string // of the memory's file
	pipe   string // the machine's console, see pipe.go
}

// newMailbox makes what the domain shares with us, and names it in the domain. A copy of a template finds the template's
// letters in it.
func (h *Hypervisor) newMailbox(ctx context.Context, d *domain, t *template) (_ *mailbox, err error) {
	m := &mailbox{place: h.place, name: d.name + mailboxSuffix, pipe: d.serial}
	if err := makePipe(m.pipe); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			removePipe(m.pipe)
		}
	}()
	if d.virtual.mailbox, err = h.place.blank(ctx, m.name, protocol.MailboxSize); err != nil {
		return nil, fmt.Errorf("make mailbox: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.place.remove(context.WithoutCancel(ctx), m.name))
		}
	}()
	file, err := os.OpenFile(d.virtual.mailbox, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("make mailbox: %w", err)
	}
	defer file.Close()
	if m.memory, err = syscall.Mmap(int(file.Fd()), 0, protocol.MailboxSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED); err != nil {
		return nil, fmt.Errorf("make mailbox: map memory: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, syscall.Munmap(m.memory))
		}
	}()
	if t != nil {
		if err := m.memory.Resume(t.kept.Door.Mailbox); err != nil {
			return nil, fmt.Errorf("make mailbox: %w", err)
		}
	}
	d.virtual.bell = h.work.socket(d.name + ".bell")
	m.bell, err = newBell(d.virtual.bell, func() {
		if rung, ok := m.rung.Load().(func()); ok {
			rung()
		}
	})
	if err == nil {
		if err = os.Chmod(d.virtual.bell, 0o666); err == nil { // the directory keeps others out
			return m, nil
		}
		m.bell.close()
	}
	return nil, err
}

const mailboxSuffix = ".mailbox"

// close gives the memory back. Nobody may use it any more, and the VM is gone.
func (m *mailbox) close(ctx context.Context) error {
	m.bell.close()
	removePipe(m.pipe)
	return errors.Join(syscall.Munmap(m.memory), m.place.remove(context.WithoutCancel(ctx), m.name))
}
