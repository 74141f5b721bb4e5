package libvirt

import (
	"context"
	"errors"
	"io"
	"net"
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

// A channel answers the requests of one VM over a connection. Everything that it reads comes from a guest that may be dying
// or hostile: it is bounded in size and rate, and none of it is fatal.
type channel struct {
	conversation
	conn net.Conn               // the one of now; serve's alone once that runs
	ask  func(protocol.Request) // called in the place of answering a guest who it is; may be nil

	junk     int // bytes of garbage not yet told
	junkWhy  string
	junkTold time.Time
	broken   bool // the last reply was cut
}

// serve answers until the connection ends, and returns why it did; ctx only ends its waits. It may be called again with another
// connection to the same guest.
func (c *channel) serve(ctx context.Context, conn net.Conn) error {
	if c.conn != conn {
		c.conn = conn
		c.broken = true // whatever of a reply came through
		c.missed()
	}
	lines := protocol.NewLineReader(&throttle{ctx: ctx, r: c.conn, tokens: guestBurst, last: time.Now()}, protocol.MaxLine)
	for {
		line, err := lines.Next()
		switch {
		case errors.Is(err, protocol.ErrTooLong):
			c.garbage(protocol.MaxLine+1, err.Error()) // at least as many; the reason has the number
			continue
		case err != nil:
			c.tellGarbage()
			return err
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
	if r.Identify != nil && c.ask != nil {
		c.ask(r)
		return
	}
	answer, wrong := c.take(r)
	if wrong != "" {
		c.garbage(size, wrong)
	}
	if answer == nil {
		return
	}
	reply, fetched := answer()
	switch err := c.write(reply); {
	case err != nil:
		c.missed() // and the guest asks again
	case fetched != nil:
		c.emit(fetched)
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
