package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/storage"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
)

// A mailbox is our end of the memory that a guest on the virtual clock asks in, and of the bell that it rings.
type mailbox struct {
	memory sharedMemory
	bell   *bell
	rung   atomic.Value // of func(): called when the guest stands still and wants an answer
	files  *storage.Local
	name   string // of the memory's file
	pipe   string // the machine's console, see pipe.go
}

// newMailbox makes what the domain shares with us, and names it in the domain. A copy of a template finds the template's
// letters in it.
func (h *Hypervisor) newMailbox(d *domain, t *template.Template) (_ *mailbox, err error) {
	m := &mailbox{name: d.name + mailboxSuffix, pipe: d.serial}
	if err := makePipe(m.pipe, h.account); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			removePipe(m.pipe)
		}
	}()
	d.virtual.mailbox, err = m.files.File(m.name, func(file *os.File) error {
		m.memory, err = mapShared(file, protocol.MailboxSize)
		return err
	})
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("make mailbox: %w", err), m.memory.close(), m.files.RemoveOurs(m.name))
		}
	}()
	if err != nil {
		return nil, err
	}
	if t != nil {
		if err := m.memory.resume(t.Kept.Door.Mailbox); err != nil {
			return nil, err
		}
	}
	d.virtual.bell = h.work.Ours(d.name + ".bell")
	m.bell, err = newBell(d.virtual.bell, h.account, func() {
		if rung, ok := m.rung.Load().(func()); ok {
			rung()
		}
	})
	return m, err
}

const mailboxSuffix = ".mailbox"

// close gives the memory back. Nobody may use it any more, and the VM is gone.
func (m *mailbox) close(ctx context.Context) error {
	m.bell.close()
	removePipe(m.pipe)
	return errors.Join(m.memory.close(), m.files.Remove(context.WithoutCancel(ctx), m.name))
}
