package guestlink

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
	GarbageEvery = time.Second     // at most one Garbage event a host
	MaxText      = 1 << 10         // bytes of a guest's text in an event
	GuestRate    = 64 << 10        // bytes a second that a guest may send on average; an honest one sends 4 KiB at most
	GuestBurst   = 512 << 10       // bytes that it may send at once
)

// A Channel answers the requests of one VM over a connection. Everything that it reads comes from a guest that may be
// dying or hostile: it is bounded in size and rate, and none of it is fatal.
type Channel struct {
	Conversation
	Conn net.Conn               // the one of now; Serve's alone once that runs
	Ask  func(protocol.Request) // called in the place of answering a guest who it is; may be nil

	junk     int // bytes of garbage not yet told
	junkWhy  string
	junkTold time.Time
	broken   bool // the last reply was cut
}

// Serve answers until the connection ends, and returns why it did; ctx only ends its waits. It may be called again with
// another connection to the same guest.
func (c *Channel) Serve(ctx context.Context, conn net.Conn) error {
	if c.Conn != conn {
		c.Conn = conn
		c.broken = true // whatever of a reply came through
		c.Missed()
	}
	slowed := &throttle{ctx: ctx, r: c.Conn, tokens: GuestBurst, last: time.Now()}
	lines := protocol.NewLineReader(slowed, protocol.MaxLine)
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
		if c.junk > 0 && time.Since(c.junkTold) >= GarbageEvery {
			c.tellGarbage()
		}
		c.Answer(request, len(line))
	}
}

// Answer answers a request of so many bytes.
func (c *Channel) Answer(r protocol.Request, size int) {
	if r.Identify != nil && c.Ask != nil {
		c.Ask(r)
		return
	}
	answer, wrong := c.Take(r)
	if wrong != "" {
		c.garbage(size, wrong)
	}
	if answer == nil {
		return
	}
	reply, fetched := answer()
	switch err := c.write(reply); {
	case err != nil:
		c.Missed() // and the guest asks again
	case fetched != nil:
		c.Emit(fetched)
	}
}

// write sends a reply to a guest that may not be reading.
func (c *Channel) write(reply protocol.Reply) error {
	var line []byte
	if c.broken {
		line = append(line, '\n') // ends what was cut
	}
	line, err := protocol.AppendLine(line, reply)
	if err != nil {
		return err
	}
	if err := c.Conn.SetWriteDeadline(time.Now().Add(replyTime)); err != nil {
		return err
	}
	n, err := c.Conn.Write(line)
	if n > 0 {
		c.broken = n < len(line)
	}
	return err
}

func (c *Channel) garbage(bytes int, why string) {
	c.junk, c.junkWhy = c.junk+bytes, why
	if time.Since(c.junkTold) >= GarbageEvery {
		c.tellGarbage()
	}
}

func (c *Channel) tellGarbage() {
	if c.junk == 0 {
		return
	}
	c.Emit(fleet.Garbage{Bytes: c.junk, Reason: Clip(c.junkWhy, MaxText)})
	c.junk, c.junkTold = 0, time.Now()
}

// A throttle slows a guest that sends more than GuestRate: it fills the pipe and then has to wait.
type throttle struct {
	ctx    context.Context // ends a wait; a Reader's call has no room for it
	r      io.Reader
	tokens float64 // bytes that may be read now
	last   time.Time
}

func (t *throttle) Read(p []byte) (int, error) {
	now := time.Now()
	t.tokens = min(GuestBurst, t.tokens+now.Sub(t.last).Seconds()*GuestRate)
	t.last = now
	if t.tokens < 0 {
		wait := time.NewTimer(time.Duration(-t.tokens / GuestRate * float64(time.Second)))
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
