package libvirt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/rs/zerolog"
)

// defaultReconnect is how long a daemon may be away, as when it is restarted, before its machine is given up.
const defaultReconnect = 30 * time.Second

// A lifeline is a hypervisor's connection to its daemon over restarts of the daemon, which the VMs outlive.
type lifeline struct {
	connect func(context.Context) (*connection, error)
	away    time.Duration // that the daemon may be
	log     zerolog.Logger
	ctx     context.Context // ends when the lifeline is closed
	cancel  context.CancelFunc
	alive   sync.WaitGroup
	gone    chan struct{} // closed when the machine is given up; why says why

	mu      sync.Mutex
	routes  map[golibvirt.UUID]func(domainEvent) // who hears of a domain
	conn    *connection
	changed chan struct{} // closed when conn is another one
	why     error
}

// newLifeline keeps a connection and, when it is lost, has connect make another. away is how long the daemon may be away; 0 is 30 s.
func newLifeline(
	conn *connection, connect func(context.Context) (*connection, error), away time.Duration, log zerolog.Logger,
) *lifeline {
	l := &lifeline{
		connect: connect, away: cmp.Or(away, defaultReconnect), log: log, gone: make(chan struct{}), conn: conn,
		routes: map[golibvirt.UUID]func(domainEvent){}, changed: make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.alive.Go(l.keep)
	return l
}

// call makes one request of the daemon, once there is a connection.
func (l *lifeline) call(ctx context.Context, op string, limit time.Duration, f func(*golibvirt.Libvirt) error) error {
	conn, err := l.connection(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return conn.call(ctx, op, limit, f)
}

// route says who hears of a domain from now on; nil for nobody. hear must not block.
func (l *lifeline) route(uuid golibvirt.UUID, hear func(domainEvent)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if hear == nil {
		delete(l.routes, uuid)
	} else {
		l.routes[uuid] = hear
	}
}

// lost is closed when the machine is given up; reason tells why.
func (l *lifeline) lost() <-chan struct{} { return l.gone }

// connection returns a connection that was not seen to be lost, waiting for one while the daemon is away.
func (l *lifeline) connection(ctx context.Context) (*connection, error) {
	for {
		l.mu.Lock()
		conn, changed := l.conn, l.changed
		l.mu.Unlock()
		select {
		case <-conn.lost():
		default:
			return conn, nil
		}
		select {
		case <-changed:
		case <-l.gone:
			return nil, l.reason()
		case <-l.ctx.Done():
			return nil, errDisconnected
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// reason is why the machine was given up.
func (l *lifeline) reason() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// keep routes events, and connects again whenever the connection is lost, until it cannot or the lifeline is closed.
func (l *lifeline) keep() {
	for conn := l.conn; ; {
		l.routeEvents(conn)
		if l.ctx.Err() != nil {
			return
		}
		l.log.Warn().Msg("the connection to the libvirt daemon was lost; connecting again")
		next, err := l.reconnect(conn)
		if err != nil {
			l.mu.Lock()
			l.why = fmt.Errorf("%w, and it did not come back within %v: %w", errDisconnected, l.away, err)
			l.mu.Unlock()
			close(l.gone)
			return
		}
		l.log.Warn().Msg("connected to the libvirt daemon again")
		l.use(next)
		conn = next
		l.alive.Go(func() { l.catchUp(next) })
	}
}

// use has everybody use another connection than the one that was lost. If the lifeline was closed meanwhile, the lost one is what
// was closed with it, and this one ends here.
func (l *lifeline) use(next *connection) {
	l.mu.Lock()
	l.conn = next
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
	if l.ctx.Err() != nil {
		l.alive.Go(func() { _ = next.close(context.Background()) })
	}
}

// reconnect ends what is left of the lost connection and makes another.
func (l *lifeline) reconnect(lost *connection) (*connection, error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.away)
	defer cancel()
	_ = lost.close(ctx) // that it is broken is known
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := l.connect(ctx)
		if err == nil {
			return conn, nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil, err
		}
	}
}

// catchUp looks at what happened to domains while nobody told.
func (l *lifeline) catchUp(conn *connection) {
	l.mu.Lock()
	routes := maps.Clone(l.routes)
	l.mu.Unlock()
	for uuid, hear := range routes {
		var state, reason int32
		err := conn.call(l.ctx, "look at domain", callTime, func(c *golibvirt.Libvirt) (err error) {
			domain, err := c.DomainLookupByUUID(uuid)
			if err == nil {
				state, reason, err = c.DomainGetState(domain, 0)
			}
			return err
		})
		switch s := golibvirt.DomainState(state); {
		case isGone(err), err == nil && s == golibvirt.DomainShutoff:
			hear(domainEvent{uuid: uuid, kind: golibvirt.DomainEventStopped, detail: int32(golibvirt.DomainEventStoppedFailed)})
		case err != nil:
			// Lost again: then all are looked at again.
		case s == golibvirt.DomainCrashed, s == golibvirt.DomainPaused && golibvirt.DomainPausedReason(reason) == golibvirt.DomainPausedCrashed:
			hear(domainEvent{uuid: uuid, kind: golibvirt.DomainEventCrashed})
		case s == golibvirt.DomainPaused && golibvirt.DomainPausedReason(reason) == golibvirt.DomainPausedIoerror:
			hear(domainEvent{uuid: uuid, kind: golibvirt.DomainEventSuspended, detail: int32(golibvirt.DomainEventSuspendedIoerror)})
		}
	}
}

// close ends the connection and waits, within ctx, for everything that belongs to it.
func (l *lifeline) close(ctx context.Context) error {
	l.cancel()
	l.mu.Lock()
	conn := l.conn
	l.mu.Unlock()
	err := conn.close(ctx)
	if e := wait(ctx, &l.alive); e != nil {
		err = errors.Join(err, fmt.Errorf("wait for the last events: %w", e))
	}
	return err
}

// routeEvents gives every event of a domain to who hears of it, until the connection ends.
func (l *lifeline) routeEvents(conn *connection) {
	for e := range conn.events {
		l.mu.Lock()
		hear := l.routes[e.uuid]
		l.mu.Unlock()
		if hear != nil {
			hear(e)
		}
	}
}
