package connect

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

// A Lifeline is a hypervisor's connection to its daemon over restarts of the daemon, which the VMs outlive.
type Lifeline struct {
	open   func(context.Context) (*Connection, error)
	away   time.Duration // that the daemon may be
	log    zerolog.Logger
	ctx    context.Context // ends when the lifeline is closed
	cancel context.CancelFunc
	alive  sync.WaitGroup
	gone   chan struct{} // closed when the machine is given up; why says why

	mu      sync.Mutex
	routes  map[golibvirt.UUID]func(Event) // who hears of a domain
	conn    *Connection
	changed chan struct{} // closed when conn is another one
	why     error
}

// NewLifeline keeps a connection and, when it is lost, has open make another. away is how long the daemon may be
// away; 0 is 30 s.
func NewLifeline(
	conn *Connection, open func(context.Context) (*Connection, error), away time.Duration, log zerolog.Logger,
) *Lifeline {
	l := &Lifeline{
		open: open, away: cmp.Or(away, defaultReconnect), log: log, gone: make(chan struct{}), conn: conn,
		routes: map[golibvirt.UUID]func(Event){}, changed: make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.alive.Go(l.keep)
	return l
}

// Call makes one request of the daemon, once there is a connection.
func (l *Lifeline) Call(ctx context.Context, op string, limit time.Duration, f func(*golibvirt.Libvirt) error) error {
	conn, err := l.Connection(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return conn.Call(ctx, op, limit, f)
}

// Route says who hears of a domain from now on; nil for nobody. hear must not block.
func (l *Lifeline) Route(uuid golibvirt.UUID, hear func(Event)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if hear == nil {
		delete(l.routes, uuid)
	} else {
		l.routes[uuid] = hear
	}
}

// Lost is closed when the machine is given up; reason tells why.
func (l *Lifeline) Lost() <-chan struct{} { return l.gone }

// Connection returns a connection that was not seen to be lost, waiting for one while the daemon is away.
func (l *Lifeline) Connection(ctx context.Context) (*Connection, error) {
	for {
		l.mu.Lock()
		conn, changed := l.conn, l.changed
		l.mu.Unlock()
		select {
		case <-conn.Lost():
		default:
			return conn, nil
		}
		select {
		case <-changed:
		case <-l.gone:
			return nil, l.Reason()
		case <-l.ctx.Done():
			return nil, errDisconnected
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Reason is why the machine was given up.
func (l *Lifeline) Reason() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// keep routes events, and connects again whenever the connection is lost, until it cannot or the lifeline is closed.
func (l *Lifeline) keep() {
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

// use has everybody use another connection than the one that was lost. If the lifeline was closed meanwhile, the lost
// one is what was closed with it, and this one ends here.
func (l *Lifeline) use(next *Connection) {
	l.mu.Lock()
	l.conn = next
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
	if l.ctx.Err() != nil {
		l.alive.Go(func() { _ = next.Close(context.Background()) })
	}
}

// reconnect ends what is left of the lost connection and makes another.
func (l *Lifeline) reconnect(lost *Connection) (*Connection, error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.away)
	defer cancel()
	_ = lost.Close(ctx) // that it is broken is known
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := l.open(ctx)
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
func (l *Lifeline) catchUp(conn *Connection) {
	l.mu.Lock()
	routes := maps.Clone(l.routes)
	l.mu.Unlock()
	for uuid, hear := range routes {
		var state, reason int32
		err := conn.Call(l.ctx, "look at domain", CallTime, func(c *golibvirt.Libvirt) (err error) {
			domain, err := c.DomainLookupByUUID(uuid)
			if err == nil {
				state, reason, err = c.DomainGetState(domain, 0)
			}
			return err
		})
		switch s := golibvirt.DomainState(state); {
		case IsGone(err), err == nil && s == golibvirt.DomainShutoff:
			hear(Event{UUID: uuid, Kind: golibvirt.DomainEventStopped, Detail: int32(golibvirt.DomainEventStoppedFailed)})
		case err != nil:
			// Lost again: then all are looked at again.
		case s == golibvirt.DomainCrashed, s == golibvirt.DomainPaused && golibvirt.DomainPausedReason(reason) == golibvirt.DomainPausedCrashed:
			hear(Event{UUID: uuid, Kind: golibvirt.DomainEventCrashed})
		case s == golibvirt.DomainPaused && golibvirt.DomainPausedReason(reason) == golibvirt.DomainPausedIoerror:
			hear(Event{UUID: uuid, Kind: golibvirt.DomainEventSuspended, Detail: int32(golibvirt.DomainEventSuspendedIoerror)})
		}
	}
}

// Close ends the connection and waits, within ctx, for everything that belongs to it.
func (l *Lifeline) Close(ctx context.Context) error {
	l.cancel()
	l.mu.Lock()
	conn := l.conn
	l.mu.Unlock()
	err := conn.Close(ctx)
	if e := wait(ctx, &l.alive); e != nil {
		err = errors.Join(err, fmt.Errorf("wait for the last events: %w", e))
	}
	return err
}

// routeEvents gives every event of a domain to who hears of it, until the connection ends.
func (l *Lifeline) routeEvents(conn *Connection) {
	for e := range conn.Events {
		l.mu.Lock()
		hear := l.routes[e.UUID]
		l.mu.Unlock()
		if hear != nil {
			hear(e)
		}
	}
}
