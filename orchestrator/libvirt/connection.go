package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"

	"github.com/fleetfall/fleetfall/internal/daemonuri"
)

const (
	callTime   = 10 * time.Second // for a call that answers at once on a healthy machine
	createTime = 60 * time.Second // for a call that starts or ends a QEMU, on a machine that is short of CPU
)

var errDisconnected = errors.New("the connection to the libvirt daemon was lost")

// A connection is a libvirt client whose calls end: by their answer, by their context, by their deadline or because the
// daemon went away. The library's own calls take no context, so each runs in a goroutine of its own, which ends at the
// latest when the connection does.
type connection struct {
	lib      *golibvirt.Libvirt
	link     *checked // what lib talks on
	endpoint *endpoint
	events   chan domainEvent // closed when the connection ends
	stop     context.CancelFunc
	calls    sync.WaitGroup
	once     sync.Once
}

// A domainEvent is what libvirt tells of a domain.
type domainEvent struct {
	uuid   golibvirt.UUID
	reboot bool                      // the guest was reset; else, unless the next is so, kind and detail say what happened
	clock  bool                      // the guest has set its hardware clock
	kind   golibvirt.DomainEventType // of a lifecycle event
	detail int32                     // of a lifecycle event; its meaning depends on kind
}

// diskFailed tells whether QEMU could not write to a VM's disk. It then stops the VM, which looks as if its guest hung.
func (e domainEvent) diskFailed() bool {
	return e.kind == golibvirt.DomainEventSuspended && golibvirt.DomainEventSuspendedDetailType(e.detail) == golibvirt.DomainEventSuspendedIoerror
}

var errDiskFailed = errors.New("QEMU could not write to the VM's disk, and stopped the VM: no space left on its machine, or a broken disk")

// connect opens a connection to the daemon at a URI, see daemonuri.Parse, and subscribes to the events of all
// domains. Unless gone is nil, the daemon may still be starting: it tries until ctx ends, or gone is closed. What the
// way there needs of files lies in dir; "" is the system's place for such.
func connect(ctx context.Context, uri, dir string, gone <-chan struct{}) (*connection, error) {
	to, err := daemonuri.Parse(uri)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	e, err := newEndpoint(ctx, to, dir)
	if err != nil {
		return nil, err
	}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		c, err := connectOn(ctx, e)
		if err == nil {
			return c, nil
		}
		if gone != nil {
			select {
			case <-again.C:
				continue
			case <-gone:
				err = fmt.Errorf("the daemon ended: %w", err)
			case <-ctx.Done():
				err = fmt.Errorf("%w: %w", ctx.Err(), err)
			}
		}
		closed := e.close() // first: what ssh has to say is complete then
		return nil, errors.Join(fmt.Errorf("connect to %s: %w%s", e.where(), err, e.lastWords()), closed)
	}
}

// connectOn makes the connection that an endpoint is for, which then closes it.
func connectOn(ctx context.Context, e *endpoint) (*connection, error) {
	conn, err := e.dial(ctx, impatient)
	if err != nil {
		return nil, err
	}
	c := &connection{link: newChecked(conn), endpoint: e, events: make(chan domainEvent, 64)}
	c.lib = golibvirt.NewWithDialer(dialers.NewAlreadyConnected(c.link))
	err = c.bounded(ctx, callTime, func() error { return c.lib.ConnectToURI(golibvirt.ConnectURI(e.uri.Driver)) })
	if err == nil {
		err = c.subscribe(ctx)
	}
	if err != nil {
		err = errors.Join(lostIfEnded(err), c.link.why())
		_ = c.link.Close() // ends every call, also to a daemon that accepts and never answers
		if c.stop != nil {
			c.stop()
		}
		ended, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime/2)
		defer cancel()
		return nil, errors.Join(err, wait(ended, &c.calls))
	}
	return c, nil
}

// subscribe merges the events that domainEvent tells of into c.events.
func (c *connection) subscribe(ctx context.Context) error {
	events, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	var lifecycle <-chan golibvirt.DomainEventLifecycleMsg
	var reboots, clocks <-chan any
	err := c.call(ctx, "subscribe to events", callTime, func(l *golibvirt.Libvirt) (err error) {
		if lifecycle, err = l.LifecycleEvents(events); err == nil {
			reboots, err = l.SubscribeEvents(events, golibvirt.DomainEventIDReboot, nil)
		}
		if err == nil {
			clocks, err = l.SubscribeEvents(events, golibvirt.DomainEventIDRtcChange, nil)
		}
		return err
	})
	if err != nil {
		close(c.events)
		return err
	}
	// All are read until they are closed: the library blocks forever in sending an event that nobody takes.
	var readers sync.WaitGroup
	readers.Go(func() {
		for m := range lifecycle {
			c.events <- domainEvent{uuid: m.Dom.UUID, kind: golibvirt.DomainEventType(m.Event), detail: m.Detail}
		}
	})
	readers.Go(func() {
		for m := range reboots {
			if m, ok := m.(*golibvirt.DomainEventCallbackRebootMsg); ok {
				c.events <- domainEvent{uuid: m.Msg.Dom.UUID, reboot: true}
			}
		}
	})
	readers.Go(func() {
		for m := range clocks {
			if m, ok := m.(*golibvirt.DomainEventCallbackRtcChangeMsg); ok {
				c.events <- domainEvent{uuid: m.Msg.Dom.UUID, clock: true}
			}
		}
	})
	go func() {
		readers.Wait()
		close(c.events)
	}()
	return nil
}

// call makes one request of the daemon within limit. op says what is being done, for errors.
func (c *connection) call(ctx context.Context, op string, limit time.Duration, f func(*golibvirt.Libvirt) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := c.bounded(ctx, limit, func() error { return f(c.lib) }); err != nil {
		return fmt.Errorf("%s: %w", op, lostIfEnded(err))
	}
	return nil
}

func (c *connection) bounded(ctx context.Context, limit time.Duration, f func() error) error {
	done := make(chan error, 1)
	c.calls.Go(func() { done <- f() })
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("no answer within %v", limit)
	}
}

// lost is closed when the connection ended, by us or by the daemon.
func (c *connection) lost() <-chan struct{} { return c.lib.Disconnected() }

// close ends the connection and waits, within ctx, for every goroutine that it had. Streams are closed by who opened them;
// those through ssh end here.
func (c *connection) close(ctx context.Context) error {
	var err error
	c.once.Do(func() {
		// The subscriptions end with the connection, not before it: the library blocks forever in routing an event to one
		// that was cancelled a moment ago, and with it every answer.
		if c.stop != nil {
			defer c.stop()
		}
		select {
		case <-c.lost():
		default:
			if e := c.bounded(ctx, callTime, c.lib.Disconnect); e != nil {
				_ = c.link.Close() // ends every call
				err = fmt.Errorf("disconnect from libvirt: %w", e)
			}
		}
	})
	// What does not end must not take all the time there is for cleaning up.
	ctx, cancel := context.WithTimeout(ctx, callTime/2)
	defer cancel()
	if e := errors.Join(wait(ctx, &c.calls), c.endpoint.close()); e != nil {
		err = errors.Join(err, fmt.Errorf("disconnect from libvirt: %w", e))
	}
	return err
}

// wait waits for a group, at most until ctx ends.
func wait(ctx context.Context, group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// isGone tells whether an error says that there is no such domain (any more).
func isGone(err error) bool {
	var e golibvirt.Error
	return errors.As(err, &e) && e.Code == uint32(golibvirt.ErrNoDomain)
}

// isLost tells whether a call failed because the connection ended. What was asked for may have been done or not.
func isLost(err error) bool { return errors.Is(err, errDisconnected) }

// lostIfEnded has isLost recognise the errors of a connection that ended, for whatever reason, before it was answered.
func lostIfEnded(err error) error {
	var answer golibvirt.Error
	if err == nil || isLost(err) || errors.As(err, &answer) || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	var broken *net.OpError
	if errors.As(err, &broken) {
		return fmt.Errorf("%w: %w", errDisconnected, err)
	}
	// EINVAL is what the library says when it was told before.
	ends := []error{golibvirt.ErrInterrupted, syscall.EINVAL, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed}
	if slices.ContainsFunc(ends, func(end error) bool { return errors.Is(err, end) }) {
		return fmt.Errorf("%w: %w", errDisconnected, err)
	}
	return err
}
