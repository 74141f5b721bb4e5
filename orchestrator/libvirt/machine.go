package libvirt

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/console"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/domain"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/inbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/mailbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
)

// A machine is one transient domain, from its creation to its end: one QEMU. A host that is switched off and on again
// has another.
type machine struct {
	hypervisor *Hypervisor
	domain     golibvirt.Domain
	console    *connect.Wire[io.ReadCloser]
	guest      *connect.Wire[net.Conn] // the channel's; nil on the virtual clock, which has a mailbox instead
	channel    *guestlink.Channel      // nil there too
	mailbox    *mailbox.Mailbox
	pid        int         // of its QEMU; 0 when that is not known
	spoke      atomic.Bool // its console printed something
	readers    sync.WaitGroup
	stop       context.CancelFunc // ends the waits of its readers
}

// A listener hears what a machine does.
type listener struct {
	inbox   *inbox.Inbox[any] // of domainEvent and of what is below
	log     *guestlink.ConsoleLog
	service *guestlink.Service
	emit    func(fleet.Happening)  // what the guest said
	ask     func(protocol.Request) // asked by a guest who it is; nil to have it answered
	rung    func(*machine)         // on the virtual clock: the guest stands still and wants an answer
}

// createMachine makes a domain that stands still, connected to its console and channel: before its first instruction or,
// when template is not nil, where the template stood. It lives until destroy; ctx bounds its making and ends the waits of
// its readers.
func (h *Hypervisor) createMachine(ctx context.Context, d domain.Domain, t *template.Template, l listener) (m *machine, err error) {
	rand.Read(d.UUID[:])                                            // never fails
	d.UUID[6], d.UUID[8] = d.UUID[6]&0x0f|0x40, d.UUID[8]&0x3f|0x80 // version 4, RFC 9562
	var open lines
	var box *mailbox.Mailbox
	if d.Virtual() {
		var letters []byte
		if t != nil {
			letters = t.Kept.Door.Mailbox
		}
		var at mailbox.Paths
		if box, at, err = mailbox.New(h.local, h.account, d.Name, letters); err != nil {
			return nil, err
		}
		d.Console, d.Link = domain.Pipe{Path: at.Console}, domain.Mailbox{Memory: at.Memory, Bell: at.Bell}
		open.console = func(context.Context) (io.ReadCloser, error) { return box.OpenConsole() }
	} else {
		open = h.place.lines(&d)
	}
	reading, stop := context.WithCancel(ctx)
	m = &machine{hypervisor: h, domain: golibvirt.Domain{Name: d.Name, UUID: d.UUID}, mailbox: box, stop: stop}
	if box != nil {
		box.Listen(func() { l.rung(m) })
	}
	h.line.Route(d.UUID, func(e connect.Event) { l.inbox.Put(e) })
	defer func() {
		if err != nil {
			err = errors.Join(err, m.destroy(context.WithoutCancel(ctx))) // maybe ctx is why it failed
		}
	}()
	xml, err := d.XML()
	if err != nil {
		return m, err
	}
	// Not cut short by ctx: libvirt would go on with a domain that nobody knows of.
	if err = h.startAgain(context.WithoutCancel(ctx), d, xml, t); err != nil {
		return m, err
	}
	m.pid = qemu.Orphans.Follow(h.pidOf(d.Name))
	// Connected before the guest runs: it must find its channel's other end there, and no line of console be lost.
	if err = m.connect(ctx, open, l); err != nil {
		return m, err
	}
	if m.guest != nil {
		m.channel = &guestlink.Channel{Conn: m.guest.Conn, Ask: l.ask, Conversation: guestlink.Conversation{
			Service: l.service, Copied: t != nil, Emit: l.emit, Hello: func() { l.inbox.Put(saidHello{m}) },
		}}
		if t != nil {
			m.channel.Answer(t.Question(), 0)
		}
		m.readers.Go(func() {
			m.guest.Attend(reading, func(conn net.Conn) error { return m.channel.Serve(reading, conn) })
		})
	}
	m.readers.Go(func() {
		m.console.Attend(reading, func(console io.ReadCloser) error {
			return guestlink.ReadConsole(console, func(chunk []byte) {
				if m.spoke.CompareAndSwap(false, true) {
					l.inbox.Put(spoke{m})
				}
				reports, begun, err := l.log.Take(chunk)
				m.showed(l, reports, err)
				if begun {
					l.inbox.Put(crashing{m})
				}
			})
		})
	})
	return m, nil
}

// connect opens the machine's console and channel.
func (m *machine) connect(ctx context.Context, open lines, l listener) error {
	m.console = &connect.Wire[io.ReadCloser]{
		Daemon: open.daemon,
		Open:   open.console,
		Cut:    func(why error) { l.inbox.Put(cut{m, "console", why}) },
		Restored: func() {
			reports, err := l.log.Gap()
			m.showed(l, reports, err)
			l.inbox.Put(restored{m, "console"})
		},
	}
	if err := m.console.Connect(ctx); err != nil || open.channel == nil {
		return err
	}
	m.guest = &connect.Wire[net.Conn]{
		Daemon:   open.daemon,
		Open:     open.channel,
		Cut:      func(why error) { l.inbox.Put(cut{m, "channel", why}) },
		Restored: func() { l.inbox.Put(restored{m, "channel"}) },
	}
	return m.guest.Connect(ctx)
}

// showed tells of crashes on the console, and of what came in the way of keeping it.
func (m *machine) showed(l listener, reports []console.Report, err error) {
	for _, r := range reports {
		l.inbox.Put(crashed{m, r})
	}
	if err != nil {
		l.inbox.Put(failed{m, "keep console", err})
	}
}

// heardRing is what a machine's guest wants that has rung.
func (m *machine) heardRing() rang {
	number, line, err := m.mailbox.Request()
	return rang{m, number, line, err}
}

// startAgain has libvirt start a domain, new or as a copy. libvirt tells that a VM has ended before it gives up the
// domain's name, which a host that is booted again at once needs: it is asked until it has.
func (h *Hypervisor) startAgain(ctx context.Context, d domain.Domain, xml string, t *template.Template) error {
	ctx, cancel := context.WithTimeout(ctx, connect.CreateTime)
	defer cancel()
	again := time.NewTicker(connect.BusyAgain)
	defer again.Stop()
	for {
		var err error
		if t == nil {
			err = h.start(ctx, d, xml)
		} else {
			err = h.restore(ctx, d, xml, t)
		}
		if !connect.HasCode(err, golibvirt.ErrOperationFailed) || !strings.Contains(err.Error(), "'"+d.Name+"' already exists") {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return err
		}
	}
}

// start has libvirt start a domain, which then stands still.
func (h *Hypervisor) start(ctx context.Context, d domain.Domain, xml string) error {
	return h.line.Call(ctx, "create domain", connect.CreateTime, func(l *golibvirt.Libvirt) error {
		created, err := l.DomainCreateXML(xml, golibvirt.DomainStartPaused)
		if err == nil && created.UUID != d.UUID {
			return fmt.Errorf("libvirt created another domain, %s", created.Name)
		}
		return err
	})
}

// resume lets the guest run.
func (m *machine) resume(ctx context.Context) error {
	return m.hypervisor.line.Call(ctx, "start domain", connect.CallTime, func(l *golibvirt.Libvirt) error {
		return l.DomainResume(m.domain)
	})
}

// destroy ends the domain, if it still exists, and all that reads from it.
func (m *machine) destroy(ctx context.Context) error {
	m.hypervisor.line.Route(m.domain.UUID, nil)
	// Closed first: a console that is open when its domain ends has been known to hold libvirt up.
	m.stop()
	if m.console != nil {
		m.console.Close()
	}
	if m.guest != nil {
		m.guest.Close()
	}
	if m.mailbox != nil {
		m.mailbox.Release()
		// libvirt asks a QEMU to end and looks again after 200 ms. This one has nothing to write: its disk is memory.
		qemu.Orphans.Kill(m.pid)
	}
	destroy := func() error {
		return m.hypervisor.line.Call(ctx, "destroy domain", connect.CreateTime, func(l *golibvirt.Libvirt) error {
			return l.DomainDestroy(m.domain)
		})
	}
	err := destroy()
	if connect.IsLost(err) { // it may have been done or not
		err = destroy()
	}
	m.readers.Wait()
	if m.mailbox != nil {
		err = errors.Join(err, m.mailbox.Close(ctx))
	}
	qemu.Orphans.Reap()
	qemu.Orphans.Forget(m.pid)
	if connect.IsGone(err) {
		return nil
	}
	return err
}

// Messages to a host, besides domainEvent.
type (
	saidHello struct{ m *machine }
	spoke     struct{ m *machine } // the console's first byte
	crashing  struct{ m *machine } // a panic on the console, whose trace is still to come
	crashed   struct {
		m      *machine
		report console.Report
	}
	abandoned struct{ err error } // the host's machine was given up
	cut       struct {            // a wire of the machine's was cut, or could not be opened again yet
		m    *machine
		wire string
		why  error
	}
	restored struct { // it was opened again
		m    *machine
		wire string
	}
	failed struct {
		m   *machine
		op  string
		err error
	}
	power struct{ action fleet.Action } // Boot, Reset or PowerOff
	due   struct {                      // a host's own timer
		what string
		boot int
	}
)

// How long a host waits, on the wall clock, for what should come in a moment.
const (
	// From the panic device's event to the console's cause, which was printed before it.
	consoleSettle = 2 * time.Second
	// From a panic on the console to the end of its trace.
	traceSettle = time.Second
	// From a panic on the console to the device's event, where the guest never said hello in this boot.
	deviceSettle = time.Second
)
