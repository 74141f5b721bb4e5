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
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/mailbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
)

// A machine is one transient domain, from its creation to its end: one QEMU. A host that is switched off and on again
// has another.
type machine struct {
	site    *site
	domain  golibvirt.Domain
	console *connect.Wire[io.ReadCloser]
	guest   *connect.Wire[net.Conn] // the channel's; nil on the virtual clock, which has a mailbox instead
	channel *guestlink.Channel      // nil there too
	mailbox *mailbox.Mailbox
	pid     int         // of its QEMU; 0 when that is not known
	spoke   atomic.Bool // its console printed something
	readers sync.WaitGroup
	stop    context.CancelFunc // ends the waits of its readers
}

// A listener hears what a machine does.
type listener struct {
	hear    func(*machine, news) // must not block
	log     *guestlink.ConsoleLog
	service *guestlink.Service
	emit    func(fleet.Happening)  // what the guest said
	ask     func(protocol.Request) // asked by a guest who it is; nil to have it answered
	rung    func(*machine)         // on the virtual clock: the guest stands still and wants an answer
}

// createMachine makes a domain that stands still, connected to its console and channel: before its first instruction or,
// when template is not nil, where the template stood. It lives until destroy; ctx bounds its making and ends the waits of
// its readers.
func (s *site) createMachine(ctx context.Context, d domain.Domain, t *template.Template, l listener) (m *machine, err error) {
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
		if box, at, err = mailbox.New(s.local, s.account, d.Name, letters); err != nil {
			return nil, err
		}
		d.Console, d.Link = domain.Pipe{Path: at.Console}, domain.Mailbox{Memory: at.Memory, Bell: at.Bell}
		open.console = func(context.Context) (io.ReadCloser, error) { return box.OpenConsole() }
	} else {
		open = s.place.lines(&d)
	}
	reading, stop := context.WithCancel(ctx)
	m = &machine{site: s, domain: golibvirt.Domain{Name: d.Name, UUID: d.UUID}, mailbox: box, stop: stop}
	if box != nil {
		box.Listen(func() { l.rung(m) })
	}
	s.line.Route(d.UUID, func(e connect.Event) { l.hear(m, domainEvent{e}) })
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
	if err = s.startAgain(context.WithoutCancel(ctx), d, xml, t); err != nil {
		return m, err
	}
	m.pid = qemu.Orphans.Follow(s.pidOf(d.Name))
	// Connected before the guest runs: it must find its channel's other end there, and no line of console be lost.
	if err = m.connect(ctx, open, l); err != nil {
		return m, err
	}
	if m.guest != nil {
		m.channel = &guestlink.Channel{Conn: m.guest.Conn, Ask: l.ask, Conversation: guestlink.Conversation{
			Service: l.service, Copied: t != nil, Emit: l.emit, Hello: func() { l.hear(m, saidHello{}) },
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
					l.hear(m, spoke{})
				}
				reports, begun, err := l.log.Take(chunk)
				m.showed(l, reports, err)
				if begun {
					l.hear(m, crashing{})
				}
			})
		})
	})
	return m, nil
}

// streamed tells whether its console and channel are streams of the daemon, and end with it.
func (m *machine) streamed() bool { return m.console.Daemon != nil }

// connect opens the machine's console and channel.
func (m *machine) connect(ctx context.Context, open lines, l listener) error {
	m.console = &connect.Wire[io.ReadCloser]{
		Daemon: open.daemon,
		Open:   open.console,
		Cut:    func(why error) { l.hear(m, cut{"console", why}) },
		Restored: func() {
			reports, err := l.log.Gap()
			m.showed(l, reports, err)
			l.hear(m, restored{"console"})
		},
	}
	if err := m.console.Connect(ctx); err != nil || open.channel == nil {
		return err
	}
	m.guest = &connect.Wire[net.Conn]{
		Daemon:   open.daemon,
		Open:     open.channel,
		Cut:      func(why error) { l.hear(m, cut{"channel", why}) },
		Restored: func() { l.hear(m, restored{"channel"}) },
	}
	return m.guest.Connect(ctx)
}

// showed tells of crashes on the console, and of what came in the way of keeping it.
func (m *machine) showed(l listener, reports []console.Report, err error) {
	for _, r := range reports {
		l.hear(m, crashed{r})
	}
	if err != nil {
		l.hear(m, failed{"keep console", err})
	}
}

// heardRing is what a machine's guest wants that has rung.
func (m *machine) heardRing() rang {
	number, line, err := m.mailbox.Request()
	return rang{number, line, err}
}

// startAgain has libvirt start a domain, new or as a copy. libvirt tells that a VM has ended before it gives up the
// domain's name, which a host that is booted again at once needs: it is asked until it has.
func (s *site) startAgain(ctx context.Context, d domain.Domain, xml string, t *template.Template) error {
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
func (s *site) start(ctx context.Context, d domain.Domain, xml string) error {
	return s.line.Call(ctx, "create domain", connect.CreateTime, func(l *golibvirt.Libvirt) error {
		created, err := l.DomainCreateXML(xml, golibvirt.DomainStartPaused)
		if err == nil && created.UUID != d.UUID {
			return fmt.Errorf("libvirt created another domain, %s", created.Name)
		}
		return err
	})
}

// resume lets the guest run.
func (m *machine) resume(ctx context.Context) error {
	return m.site.line.Call(ctx, "start domain", connect.CallTime, func(l *golibvirt.Libvirt) error {
		return l.DomainResume(m.domain)
	})
}

// destroy ends the domain, if it still exists, and all that reads from it.
func (m *machine) destroy(ctx context.Context) error {
	m.site.line.Route(m.domain.UUID, nil)
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
		return m.site.line.Call(ctx, "destroy domain", connect.CreateTime, func(l *golibvirt.Libvirt) error {
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

// restore has libvirt start a domain as a copy of a template, which then stands still.
func (s *site) restore(ctx context.Context, d domain.Domain, xml string, t *template.Template) (err error) {
	name := d.Name + saveSuffix
	path, err := s.files.Write(ctx, name, template.AppendSaveImage(nil, xml, t.State))
	if err != nil {
		return fmt.Errorf("start as a copy: %w", err)
	}
	defer func() { err = errors.Join(err, s.files.Remove(ctx, name)) }()
	return s.line.Call(ctx, "start as a copy", connect.CreateTime, func(l *golibvirt.Libvirt) error {
		return l.DomainRestoreFlags(path, nil, uint32(golibvirt.DomainSavePaused))
	})
}

// saveSuffix ends the name of a save image.
const saveSuffix = ".save"
