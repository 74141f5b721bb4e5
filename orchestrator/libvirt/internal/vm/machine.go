package vm

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
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/mailbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
)

// A Machine is one transient domain, from its creation to its end: one QEMU. A host that is switched off and on again
// has another.
type Machine struct {
	Site    *Site
	Domain  golibvirt.Domain
	console *connect.Wire[io.ReadCloser]
	guest   *connect.Wire[net.Conn] // the channel's; nil on the virtual clock, which has a mailbox instead
	Channel *guestlink.Channel      // nil there too
	Mailbox *mailbox.Mailbox
	PID     int         // of its QEMU; 0 when that is not known
	spoke   atomic.Bool // its console printed something
	readers sync.WaitGroup
	stop    context.CancelFunc // ends the waits of its readers
}

// A Listener hears what a machine does.
type Listener struct {
	Hear    func(*Machine, News) // must not block
	Log     *guestlink.ConsoleLog
	Service *guestlink.Service
	Emit    func(fleet.Happening)  // what the guest said
	Ask     func(protocol.Request) // asked by a guest who it is; nil to have it answered
	Rung    func(*Machine)         // on the virtual clock: the guest stands still and wants an answer
}

// CreateMachine makes a domain that stands still, connected to its console and channel: before its first instruction
// or, when template is not nil, where the template stood. It lives until destroy; ctx bounds its making and ends the
// waits of its readers.
func (s *Site) CreateMachine(ctx context.Context, d domain.Domain, t *template.Template, l Listener) (m *Machine, err error) {
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
		if box, at, err = mailbox.New(s.Local, s.Account, d.Name, letters); err != nil {
			return nil, err
		}
		d.Console, d.Link = domain.Pipe{Path: at.Console}, domain.Mailbox{Memory: at.Memory, Bell: at.Bell}
		open.console = func(context.Context) (io.ReadCloser, error) { return box.OpenConsole() }
	} else {
		open = s.Place.lines(&d)
	}
	reading, stop := context.WithCancel(ctx)
	m = &Machine{Site: s, Domain: golibvirt.Domain{Name: d.Name, UUID: d.UUID}, Mailbox: box, stop: stop}
	if box != nil {
		box.Listen(func() { l.Rung(m) })
	}
	s.Line.Route(d.UUID, func(e connect.Event) { l.Hear(m, DomainEvent{e}) })
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Destroy(context.WithoutCancel(ctx))) // maybe ctx is why it failed
		}
	}()
	xml, err := d.XML()
	if err != nil {
		return m, err
	}
	// Not cut short by ctx: libvirt would go on with a domain that nobody knows of.
	if err = s.startAgain(context.WithoutCancel(ctx), d, xml, t); err != nil {
		return m, err
	}
	m.PID = qemu.Orphans.Follow(s.PIDOf(d.Name))
	// Connected before the guest runs: it must find its channel's other end there, and no line of console be lost.
	if err = m.connect(ctx, open, l); err != nil {
		return m, err
	}
	if m.guest != nil {
		m.Channel = &guestlink.Channel{Conn: m.guest.Conn, Ask: l.Ask, Conversation: guestlink.Conversation{
			Service: l.Service, Copied: t != nil, Emit: l.Emit, Hello: func() { l.Hear(m, SaidHello{}) },
		}}
		if t != nil {
			m.Channel.Answer(t.Question(), 0)
		}
		m.readers.Go(func() {
			m.guest.Attend(reading, func(conn net.Conn) error { return m.Channel.Serve(reading, conn) })
		})
	}
	m.readers.Go(func() {
		m.console.Attend(reading, func(console io.ReadCloser) error {
			return guestlink.ReadConsole(console, func(chunk []byte) {
				if m.spoke.CompareAndSwap(false, true) {
					l.Hear(m, Spoke{})
				}
				reports, begun, err := l.Log.Take(chunk)
				m.showed(l, reports, err)
				if begun {
					l.Hear(m, Crashing{})
				}
			})
		})
	})
	return m, nil
}

// Streamed tells whether its console and channel are streams of the daemon, and end with it.
func (m *Machine) Streamed() bool { return m.console.Daemon != nil }

// connect opens the machine's console and channel.
func (m *Machine) connect(ctx context.Context, open lines, l Listener) error {
	m.console = &connect.Wire[io.ReadCloser]{
		Daemon: open.daemon,
		Open:   open.console,
		Cut:    func(why error) { l.Hear(m, Cut{"console", why}) },
		Restored: func() {
			reports, err := l.Log.Gap()
			m.showed(l, reports, err)
			l.Hear(m, Restored{"console"})
		},
	}
	if err := m.console.Connect(ctx); err != nil || open.channel == nil {
		return err
	}
	m.guest = &connect.Wire[net.Conn]{
		Daemon:   open.daemon,
		Open:     open.channel,
		Cut:      func(why error) { l.Hear(m, Cut{"channel", why}) },
		Restored: func() { l.Hear(m, Restored{"channel"}) },
	}
	return m.guest.Connect(ctx)
}

// showed tells of crashes on the console, and of what came in the way of keeping it.
func (m *Machine) showed(l Listener, reports []console.Report, err error) {
	for _, r := range reports {
		l.Hear(m, Crashed{r})
	}
	if err != nil {
		l.Hear(m, Failed{"keep console", err})
	}
}

// HeardRing is what a machine's guest wants that has rung.
func (m *Machine) HeardRing() Rang {
	number, line, err := m.Mailbox.Request()
	return Rang{number, line, err}
}

// startAgain has libvirt start a domain, new or as a copy. libvirt tells that a VM has ended before it gives up the
// domain's name, which a host that is booted again at once needs: it is asked until it has.
func (s *Site) startAgain(ctx context.Context, d domain.Domain, xml string, t *template.Template) error {
	ctx, cancel := context.WithTimeout(ctx, connect.CreateTime)
	defer cancel()
	again := time.NewTicker(connect.BusyAgain)
	defer again.Stop()
	for {
		var err error
		if t == nil {
			err = s.start(ctx, d, xml)
		} else {
			err = s.restore(ctx, d, xml, t)
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
func (s *Site) start(ctx context.Context, d domain.Domain, xml string) error {
	return s.Line.Call(ctx, "create domain", connect.CreateTime, func(l *golibvirt.Libvirt) error {
		created, err := l.DomainCreateXML(xml, golibvirt.DomainStartPaused)
		if err == nil && created.UUID != d.UUID {
			return fmt.Errorf("libvirt created another domain, %s", created.Name)
		}
		return err
	})
}

// Resume lets the guest run.
func (m *Machine) Resume(ctx context.Context) error {
	return m.Site.Line.Call(ctx, "start domain", connect.CallTime, func(l *golibvirt.Libvirt) error {
		return l.DomainResume(m.Domain)
	})
}

// Destroy ends the domain, if it still exists, and all that reads from it.
func (m *Machine) Destroy(ctx context.Context) error {
	m.Site.Line.Route(m.Domain.UUID, nil)
	// Closed first: a console that is open when its domain ends has been known to hold libvirt up.
	m.stop()
	if m.console != nil {
		m.console.Close()
	}
	if m.guest != nil {
		m.guest.Close()
	}
	if m.Mailbox != nil {
		m.Mailbox.Release()
		// libvirt asks a QEMU to end and looks again after 200 ms. This one has nothing to write: its disk is memory.
		qemu.Orphans.Kill(m.PID)
	}
	destroy := func() error {
		return m.Site.Line.Call(ctx, "destroy domain", connect.CreateTime, func(l *golibvirt.Libvirt) error {
			return l.DomainDestroy(m.Domain)
		})
	}
	err := destroy()
	if connect.IsLost(err) { // it may have been done or not
		err = destroy()
	}
	m.readers.Wait()
	if m.Mailbox != nil {
		err = errors.Join(err, m.Mailbox.Close(ctx))
	}
	qemu.Orphans.Reap()
	qemu.Orphans.Forget(m.PID)
	if connect.IsGone(err) {
		return nil
	}
	return err
}

// restore has libvirt start a domain as a copy of a template, which then stands still.
func (s *Site) restore(ctx context.Context, d domain.Domain, xml string, t *template.Template) (err error) {
	name := d.Name + SaveSuffix
	path, err := s.Files.Write(ctx, name, template.AppendSaveImage(nil, xml, t.State))
	if err != nil {
		return fmt.Errorf("start as a copy: %w", err)
	}
	defer func() { err = errors.Join(err, s.Files.Remove(ctx, name)) }()
	return s.Line.Call(ctx, "start as a copy", connect.CreateTime, func(l *golibvirt.Libvirt) error {
		return l.DomainRestoreFlags(path, nil, uint32(golibvirt.DomainSavePaused))
	})
}

// SaveSuffix ends the name of a save image.
const SaveSuffix = ".save"
