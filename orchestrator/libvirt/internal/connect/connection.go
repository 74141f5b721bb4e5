// Package connect is the line to a libvirt daemon, here or on another machine: how it is reached, calls that end,
// events, streams to consoles and channels, transfers of files, and a line that outlives restarts of the daemon. It
// knows no hosts.
package connect

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"

	"github.com/fleetfall/fleetfall/internal/daemonuri"
)

// How long a call may take.
const (
	CallTime   = 10 * time.Second // for a call that answers at once on a healthy machine
	CreateTime = 60 * time.Second // for a call that starts or ends a QEMU, on a machine that is short of CPU
)

// A Connection is a libvirt client whose calls end: by their answer, by their context, by their deadline or because the
// daemon went away. The library's own calls take no context, so each runs in a goroutine of its own, which ends at the
// latest when the connection does.
type Connection struct {
	lib      *golibvirt.Libvirt
	link     *checked // what lib talks on
	endpoint *endpoint
	Events   chan Event // closed when the connection ends
	stop     context.CancelFunc
	calls    sync.WaitGroup
	once     sync.Once
}

// Open opens a connection to the daemon at a URI, see daemonuri.Parse, and subscribes to the events of all
// domains. Unless gone is nil, the daemon may still be starting: it tries until ctx ends, or gone is closed. What the
// way there needs of files lies in dir; "" is the system's place for such.
func Open(ctx context.Context, uri, dir string, gone <-chan struct{}) (*Connection, error) {
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

// Visit has f use a connection of its own to the daemon at a URI, as Open makes it. Of events nothing is heard.
func Visit(ctx context.Context, uri string, f func(*Connection) error) (err error) {
	c, err := Open(ctx, uri, "", nil)
	if err != nil {
		return err
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for range c.Events {
		}
	}()
	defer func() {
		err = errors.Join(err, c.Close(ctx))
		<-drained
	}()
	return f(c)
}

// connectOn makes the connection that an endpoint is for, which then closes it.
func connectOn(ctx context.Context, e *endpoint) (*Connection, error) {
	conn, err := e.dial(ctx, impatient)
	if err != nil {
		return nil, err
	}
	c := &Connection{link: newChecked(conn), endpoint: e, Events: make(chan Event, 64)}
	c.lib = golibvirt.NewWithDialer(dialers.NewAlreadyConnected(c.link))
	err = c.bounded(ctx, CallTime, func() error { return c.lib.ConnectToURI(golibvirt.ConnectURI(e.uri.Driver)) })
	if err == nil {
		err = c.subscribe(ctx)
	}
	if err != nil {
		err = errors.Join(lostIfEnded(err), c.link.why())
		c.Cut() // ends every call, also to a daemon that accepts and never answers
		if c.stop != nil {
			c.stop()
		}
		ended, cancel := context.WithTimeout(context.WithoutCancel(ctx), CallTime/2)
		defer cancel()
		return nil, errors.Join(err, wait(ended, &c.calls))
	}
	return c, nil
}

// Call makes one request of the daemon within limit. op says what is being done, for errors.
func (c *Connection) Call(ctx context.Context, op string, limit time.Duration, f func(*golibvirt.Libvirt) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := c.bounded(ctx, limit, func() error { return f(c.lib) }); err != nil {
		return fmt.Errorf("%s: %w", op, lostIfEnded(err))
	}
	return nil
}

func (c *Connection) bounded(ctx context.Context, limit time.Duration, f func() error) error {
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

// URI is the daemon's.
func (c *Connection) URI() daemonuri.URI { return c.endpoint.uri }

// Lost is closed when the connection ended, by us or by the daemon.
func (c *Connection) Lost() <-chan struct{} { return c.lib.Disconnected() }

// Cut ends the connection without a word to the daemon, and so every call.
func (c *Connection) Cut() { _ = c.link.Close() }

// Close ends the connection and waits, within ctx, for every goroutine that it had. Streams are closed by who opened
// them; those through ssh end here.
func (c *Connection) Close(ctx context.Context) error {
	var err error
	c.once.Do(func() {
		// The subscriptions end with the connection, not before it: the library blocks forever in routing an event to
		// one that was cancelled a moment ago, and with it every answer.
		if c.stop != nil {
			defer c.stop()
		}
		select {
		case <-c.Lost():
		default:
			if e := c.bounded(ctx, CallTime, c.lib.Disconnect); e != nil {
				c.Cut() // ends every call
				err = fmt.Errorf("disconnect from libvirt: %w", e)
			}
		}
	})
	// What does not end must not take all the time there is for cleaning up.
	ctx, cancel := context.WithTimeout(ctx, CallTime/2)
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
