package libvirt

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

const (
	replyTime    = 5 * time.Second // for a guest to take a reply
	garbageEvery = time.Second     // at most one Garbage event a host
	maxText      = 1 << 10         // bytes of a guest's text in an event
	guestRate    = 64 << 10        // bytes a second that a guest may send on average; an honest one sends less than 4 KiB
	guestBurst   = 512 << 10       // bytes that it may send at once
)

// A channel answers the requests of one VM. Everything that it reads comes from a guest that may be dying or hostile:
// it is bounded in size and rate, and none of it is fatal.
type channel struct {
	conn    net.Conn
	service *service
	copied  bool // the guest is a copy of a template
	emit    func(fleet.Happening)
	hello   func()                 // called after the Hello event of each boot
	ask     func(protocol.Request) // called in the place of answering a guest who it is; may be nil
	heard   atomic.Int64           // requests of the current boot so far

	mu      sync.Mutex
	boot    string // ID of the boot that said hello; empty before
	expired string // ID of the boot before, of a guest that restarted itself: what is left of it is not answered

	junk     int // bytes of garbage not yet told
	junkWhy  string
	junkTold time.Time
	broken   bool // the last reply was cut
}

// booted tells whether the current boot said hello.
func (c *channel) booted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.boot != ""
}

// serve answers until the connection ends; ctx only ends its waits.
func (c *channel) serve(ctx context.Context) {
	lines := protocol.NewLineReader(&throttle{ctx: ctx, r: c.conn, tokens: guestBurst, last: time.Now()}, protocol.MaxLine)
	for {
		line, err := lines.Next()
		switch {
		case errors.Is(err, protocol.ErrTooLong):
			c.garbage(protocol.MaxLine+1, err.Error()) // at least as many; the reason has the number
			continue
		case err != nil:
			c.tellGarbage() // QEMU ended or the connection was closed
			return
		}
		request, err := protocol.ParseRequest(line)
		if err != nil {
			c.garbage(len(line), err.Error())
			continue
		}
		if c.junk > 0 && time.Since(c.junkTold) >= garbageEvery {
			c.tellGarbage()
		}
		c.answer(request, len(line))
	}
}

func (c *channel) answer(r protocol.Request, size int) {
	c.mu.Lock()
	stale, fresh, known := r.Boot == c.expired, false, r.Boot == c.boot
	if r.Hello != nil && !stale && !known {
		if c.boot != "" {
			c.expired = c.boot
		}
		c.boot, fresh = r.Boot, true
		c.heard.Store(0)
	}
	c.mu.Unlock()
	switch {
	case r.Identify != nil:
		c.identify(r)
		return
	case stale:
		return
	case fresh:
		c.service.booted()
	case !known:
		c.garbage(size, "a request before hello")
		_ = c.write(protocol.Reply{ID: r.ID, Boot: r.Boot, Error: "say hello first"})
		return
	}
	c.heard.Add(1)
	c.tell(r, fresh)
	reply, fetched := c.service.answer(r)
	if err := c.write(reply); err == nil && fetched != nil {
		c.emit(fetched)
	}
}

// identify tells a guest who it is: one that has asked or, if it is a copy, whose template has.
func (c *channel) identify(r protocol.Request) {
	if c.ask != nil {
		c.ask(r)
		return
	}
	reply, _ := c.service.answer(r)
	reply.Config.Copied = c.copied
	_ = c.write(reply) // a guest that misses it asks again
}

// tell turns a request into events.
func (c *channel) tell(r protocol.Request, fresh bool) {
	switch {
	case r.Hello != nil && fresh: // a guest that missed the reply says hello again
		h := r.Hello
		c.emit(fleet.Hello{
			BootID: clip(r.Boot, maxText), Mode: fleet.BootMode(clip(h.Mode, 16)), Architecture: clip(h.Architecture, 32),
			ContentVersion: h.ContentVersion, AgentState: clip(h.AgentState, 32), Uptime: r.Uptime, Kernel: clip(h.Kernel, 128),
		})
		c.hello()
	case r.Beat != nil:
		// What happened comes before the beat that tells of it: who judges the host by the beat then knows all of it.
		b := r.Beat
		for _, t := range b.Threats {
			c.emit(fleet.Threat{ID: t.ID, What: clip(t.What, 64), Blocked: t.Blocked, Reported: t.Reported, Latency: t.Latency, Inherited: t.Inherited})
		}
		for _, f := range b.Refusals {
			c.emit(fleet.ContentRefused{Version: f.Version, Reason: clip(f.Reason, maxText)})
		}
		for _, x := range b.Exits {
			c.emit(fleet.AgentExit{Signal: x.Signal, Code: x.Code, Restart: x.Restart})
		}
		c.emit(fleet.Beat{
			BootID: clip(r.Boot, maxText), AgentState: clip(b.AgentState, 32), ContentVersion: b.ContentVersion,
			WorkUnits: b.WorkUnits, WorkMax: b.WorkMax, WorkTotal: b.WorkTotal, WorkFailed: b.WorkFailed, Uptime: r.Uptime,
		})
		for _, d := range b.Done {
			if c.service.done(fleet.Order(d.Order)) { // else made up, or told twice
				c.emit(fleet.OrderDone{Order: fleet.Order(d.Order), Error: clip(d.Error, maxText)})
			}
		}
	case r.Log != nil:
		c.emit(fleet.GuestLog{Text: clip(r.Log.Text, maxText)})
	}
}

// write sends a reply to a guest that may not be reading.
func (c *channel) write(reply protocol.Reply) error {
	var line []byte
	if c.broken {
		line = append(line, '\n') // ends what was cut
	}
	line, err := protocol.AppendLine(line, reply)
	if err != nil {
		return err
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(replyTime)); err != nil {
		return err
	}
	n, err := c.conn.Write(line)
	if n > 0 {
		c.broken = n < len(line)
	}
	return err
}

func (c *channel) garbage(bytes int, why string) {
	c.junk, c.junkWhy = c.junk+bytes, why
	if time.Since(c.junkTold) >= garbageEvery {
		c.tellGarbage()
	}
}

func (c *channel) tellGarbage() {
	if c.junk == 0 {
		return
	}
	c.emit(fleet.Garbage{Bytes: c.junk, Reason: clip(c.junkWhy, maxText)})
	c.junk, c.junkTold = 0, time.Now()
}

// A throttle slows a guest that sends more than guestRate: it fills the pipe and then has to wait.
type throttle struct {
	ctx    context.Context // ends a wait; a Reader's call has no room for it
	r      io.Reader
	tokens float64 // bytes that may be read now
	last   time.Time
}

func (t *throttle) Read(p []byte) (int, error) {
	now := time.Now()
	t.tokens = min(guestBurst, t.tokens+now.Sub(t.last).Seconds()*guestRate)
	t.last = now
	if t.tokens < 0 {
		wait := time.NewTimer(time.Duration(-t.tokens / guestRate * float64(time.Second)))
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-t.ctx.Done():
			return 0, t.ctx.Err()
		}
	}
	n, err := t.r.Read(p)
	t.tokens -= float64(n)
	return n, err
}
