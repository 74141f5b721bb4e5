package libvirt

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

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
	readers    sync.WaitGroup
}

// createOverlay makes a host's own disk, on top of the image's.
func createOverlay(ctx context.Context, a account, base, path string) error {
	// -u does not open the base, which another host may be using; the size then has to be given.
	info, err := os.Stat(base)
	if err != nil {
		return err
	}
	args := []string{"create", "-q", "-f", "qcow2", "-u", "-F", "raw", "-b", base, path, fmt.Sprint(info.Size())}
	if output, err := exec.CommandContext(ctx, "qemu-img", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("qemu-img: %w: %s", err, strings.TrimSpace(string(output)))
	}
	return a.own(path)
}

// createMachine makes a domain that stands still before its first instruction, connected to its console and channel.
// What it reports goes to h.
func createMachine(ctx context.Context, h *host) (m *machine, err error) {
	v := h.fleet.hypervisor
	d := domain{
		name: h.domainName, title: h.fleet.cfg.Cell + " " + h.spec.Name, accelerator: h.fleet.accelerator,
		image: h.image, architecture: h.spec.Architecture, mode: h.mode, memory: h.spec.MemoryBytes,
		disk: v.work.disk(h.domainName), serial: v.work.socket(h.domainName + ".tty"), guest: v.work.socket(h.domainName + ".vsp"),
	}
	rand.Read(d.uuid[:])                                            // never fails
	d.uuid[6], d.uuid[8] = d.uuid[6]&0x0f|0x40, d.uuid[8]&0x3f|0x80 // version 4, RFC 9562
	xml, err := d.xml()
	if err != nil {
		return nil, err
	}
	m = &machine{hypervisor: v, domain: golibvirt.Domain{Name: d.name, UUID: d.uuid}}
	v.route(d.uuid, h)
	defer func() {
		if err != nil {
			err = errors.Join(err, m.destroy(ctx))
		}
	}()
	err = v.conn.call(ctx, "create domain", createTime, func(l *golibvirt.Libvirt) error {
		created, err := l.DomainCreateXML(xml, golibvirt.DomainStartPaused)
		if err == nil && created.UUID != d.uuid {
			return fmt.Errorf("libvirt created another domain, %s", created.Name)
		}
		return err
	})
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
	m.channel = &channel{conn: guest, service: h.service, emit: h.emitGuest, hello: func() { h.inbox.put(saidHello{m}) }}
	m.readers.Go(func() { m.channel.serve(h.fleet.ctx) })
	m.readers.Go(func() {
		readConsole(m.serial, func(chunk []byte) {
			reports, begun, err := h.log.take(chunk)
			for _, r := range reports {
				h.inbox.put(crashed{m, r})
			}
			if begun {
				h.inbox.put(crashing{m})
			}
			if err != nil {
				h.inbox.put(failed{m, "keep console", err})
			}
		})
	})
	return m, nil
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
