package libvirt

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/console"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// A machine is one transient domain, from its creation to its end: one QEMU. A host that is switched off and on again
// has another.
type machine struct {
	hypervisor *Hypervisor
	domain     golibvirt.Domain
	serial     net.Conn
	channel    *channel
	spoke      atomic.Bool // its console printed something
	readers    sync.WaitGroup
}

// createOverlay makes a disk of its own, of this many bytes, on top of another's, which is "raw" or "qcow2".
func createOverlay(ctx context.Context, a account, format, base string, size int64, path string) error {
	// -u does not open the base, which another host may be using; the size then has to be given.
	args := []string{"create", "-q", "-f", "qcow2", "-u", "-F", format, "-b", base, path, fmt.Sprint(size)}
	if output, err := exec.CommandContext(ctx, "qemu-img", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("qemu-img: %w: %s", err, strings.TrimSpace(string(output)))
	}
	return a.own(path)
}

// A listener hears what a machine does.
type listener struct {
	inbox   *inbox[any] // of domainEvent and of what is below
	log     *serialLog
	service *service
	emit    func(fleet.Happening)  // what the guest said
	ask     func(protocol.Request) // asked by a guest who it is; nil to have it answered
}

// createMachine makes a domain that stands still, connected to its console and channel: before its first instruction or,
// when template is not nil, where the template stood. It lives until destroy; ctx bounds its making and ends the waits of
// its readers.
func (h *Hypervisor) createMachine(ctx context.Context, d domain, t *template, l listener) (m *machine, err error) {
	rand.Read(d.uuid[:])                                            // never fails
	d.uuid[6], d.uuid[8] = d.uuid[6]&0x0f|0x40, d.uuid[8]&0x3f|0x80 // version 4, RFC 9562
	xml, err := d.xml()
	if err != nil {
		return nil, err
	}
	m = &machine{hypervisor: h, domain: golibvirt.Domain{Name: d.name, UUID: d.uuid}}
	h.route(d.uuid, l.inbox)
	defer func() {
		if err != nil {
			err = errors.Join(err, m.destroy(ctx))
		}
	}()
	// Not cut short by ctx: libvirt would go on with a domain that nobody knows of.
	create := context.WithoutCancel(ctx)
	if t == nil {
		err = h.start(create, d, xml)
	} else {
		err = h.restore(create, d, xml, t)
	}
	if err != nil {
		return m, err
	}
	// Connected before the guest runs: it must find its channel's other end there, and no line of console be lost.
	var dialer net.Dialer
	if m.serial, err = dialer.DialContext(ctx, "unix", d.serial); err != nil {
		return m, fmt.Errorf("connect to console: %w", err)
	}
	guest, err := dialer.DialContext(ctx, "unix", d.guest)
	if err != nil {
		return m, fmt.Errorf("connect to channel: %w", err)
	}
	m.channel = &channel{conn: guest, service: l.service, emit: l.emit, ask: l.ask, hello: func() { l.inbox.put(saidHello{m}) }}
	if t != nil {
		m.channel.identify(t.question())
	}
	m.readers.Go(func() { m.channel.serve(ctx) })
	m.readers.Go(func() {
		readConsole(m.serial, func(chunk []byte) {
			if m.spoke.CompareAndSwap(false, true) {
				l.inbox.put(spoke{m})
			}
			reports, begun, err := l.log.take(chunk)
			for _, r := range reports {
				l.inbox.put(crashed{m, r})
			}
			if begun {
				l.inbox.put(crashing{m})
			}
			if err != nil {
				l.inbox.put(failed{m, "keep console", err})
			}
		})
	})
	return m, nil
}

// start has libvirt start a domain, which then stands still.
func (h *Hypervisor) start(ctx context.Context, d domain, xml string) error {
	return h.conn.call(ctx, "create domain", createTime, func(l *golibvirt.Libvirt) error {
		created, err := l.DomainCreateXML(xml, golibvirt.DomainStartPaused)
		if err == nil && created.UUID != d.uuid {
			return fmt.Errorf("libvirt created another domain, %s", created.Name)
		}
		return err
	})
}

// resume lets the guest run.
func (m *machine) resume(ctx context.Context) error {
	return m.hypervisor.conn.call(ctx, "start domain", callTime, func(l *golibvirt.Libvirt) error {
		return l.DomainResume(m.domain)
	})
}

// destroy ends the domain, if it still exists, and all that reads from it.
func (m *machine) destroy(ctx context.Context) error {
	m.hypervisor.route(m.domain.UUID, nil)
	// Closed first: a console that is open when its domain ends has been known to hold libvirt up.
	if m.serial != nil {
		_ = m.serial.Close()
	}
	if m.channel != nil {
		_ = m.channel.conn.Close()
	}
	err := m.hypervisor.conn.call(ctx, "destroy domain", createTime, func(l *golibvirt.Libvirt) error {
		return l.DomainDestroy(m.domain)
	})
	m.readers.Wait()
	if isGone(err) {
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
