package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

const (
	maxAgentLine = 512         // bytes
	loadTimeout  = time.Second // for an agent that does not listen
)

// A report is one line of an agent.
type report struct {
	kind    string // "ready", "loaded", "refused" or "detect"
	version uint64 // ready, loaded: of the content in use, 0 for none; refused: of the file, 0 if it has none
	reason  string // refused
	rule    uint32 // detect
	block   bool   // detect: the agent refused it
	pid     int    // detect
	what    string // detect: the image's path, or the name of a file that something was done to
}

// parseReport reads a line of the agent: "ready V", "loaded V", "refused V REASON…", "detect RULE block|detect PID WHAT".
func parseReport(line string) (report, error) {
	kind, rest, _ := strings.Cut(line, " ")
	r := report{kind: kind}
	var err error
	switch kind {
	case "ready", "loaded":
		r.version, err = strconv.ParseUint(rest, 10, 64)
	case "refused":
		version, reason, _ := strings.Cut(rest, " ")
		r.reason = reason
		r.version, err = strconv.ParseUint(version, 10, 64)
	case "detect":
		fields := strings.SplitN(rest, " ", 4)
		if len(fields) != 4 || fields[1] != "block" && fields[1] != "detect" {
			return report{}, fmt.Errorf("agent says %q: want detect RULE block|detect PID WHAT", line)
		}
		r.block, r.what = fields[1] == "block", fields[3]
		var rule uint64
		rule, err = strconv.ParseUint(fields[0], 10, 32)
		r.rule = uint32(rule)
		if err == nil {
			r.pid, err = strconv.Atoi(fields[2])
		}
	default:
		return report{}, fmt.Errorf("agent says %q: want ready, loaded, refused or detect", line)
	}
	if err != nil {
		return report{}, fmt.Errorf("agent says %q: %w", line, err)
	}
	return r, nil
}

// An agent is what the guest knows of the security agent, whichever architecture it has, and by its own words alone.
type agent struct {
	tally *tally
	log   *logger

	mu      sync.Mutex
	state   string
	version uint64
	conn    io.Writer     // nil when there is nobody to talk to
	started chan struct{} // closed when the latest start is over, well or not; nil before the first
	awaited map[detected]awaited
}

// detected is what a detection is of: what it names, by which rule.
type detected struct {
	rule uint32
	what string
}

type awaited struct {
	since time.Time
	seen  chan time.Time
}

func newAgent(t *tally, log *logger) *agent {
	return &agent{
		tally:   t,
		log:     log,
		state:   protocol.AgentAbsent,
		awaited: map[detected]awaited{},
	}
}

// status returns the agent's state and the version of the content that it has loaded.
func (a *agent) status() (state string, version uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state, a.version
}

func (a *agent) starting() { a.become(protocol.AgentStarting) }

// ended notes that the agent is gone, to be started again after the back-off; 0 is for never.
func (a *agent) ended(restart time.Duration) {
	if restart == 0 {
		a.become(protocol.AgentAbsent)
		return
	}
	a.become(protocol.AgentBackingOff)
}

// become enters a state in which the agent is not ready.
func (a *agent) become(state string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.enter(state, 0)
}

// enter is become for who holds the lock, also for a state in which the agent is ready.
func (a *agent) enter(state string, version uint64) {
	switch starting := state == protocol.AgentStarting; {
	case starting && a.state != protocol.AgentStarting:
		a.started = make(chan struct{})
	case !starting && a.state == protocol.AgentStarting:
		close(a.started)
	}
	a.state, a.version = state, version
}

// awaitStart returns once the agent's start has come to something: it is ready, or it has ended; or after d, or when ctx
// ends. The agent must be starting, or have been.
func (a *agent) awaitStart(ctx context.Context, d time.Duration) {
	a.mu.Lock()
	started := a.started
	a.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-started:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// serve listens to the agent until its end of conn is closed, which is an error.
func (a *agent) serve(conn io.ReadWriter) error {
	a.setConn(conn)
	defer a.setConn(nil)
	lines := protocol.NewLineReader(conn, maxAgentLine)
	for {
		line, err := lines.Next()
		switch {
		case errors.Is(err, protocol.ErrTooLong):
			a.log.printf("agent: %v", err)
			continue
		case err != nil:
			return fmt.Errorf("listening to the agent: %w", err)
		}
		r, err := parseReport(string(line))
		if err != nil {
			a.log.printf("%v", err)
			continue
		}
		a.note(r, time.Now())
	}
}

func (a *agent) setConn(conn io.Writer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conn = conn
}

// note takes in a report that came at this time.
func (a *agent) note(r report, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch r.kind {
	case "ready":
		a.enter(protocol.AgentRunning, r.version)
	case "loaded":
		a.version = r.version
	case "refused":
		a.tally.refusal(protocol.Refusal{Version: r.version, Reason: r.reason})
	case "detect":
		if w, ok := a.awaited[detected{r.rule, r.what}]; ok && !at.Before(w.since) {
			select {
			case w.seen <- at:
			default: // said twice
			}
		}
	}
}

// expect returns a channel that gets the time, not before since, at which the agent reports that this rule has detected what the
// words say, and a function to be called when that is no longer of interest.
func (a *agent) expect(rule uint32, what string, since time.Time) (<-chan time.Time, func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := make(chan time.Time, 1)
	a.awaited[detected{rule, what}] = awaited{since, seen}
	return seen, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.awaited, detected{rule, what})
	}
}

// load asks the agent to load the content on the disk. An agent that is not there does so when it starts. A daemon takes a line, and
// has a while for that; a module loads before it returns, in our thread, for as long as it takes: for ever where it dies of it and
// the machine goes on.
func (a *agent) load() {
	a.mu.Lock()
	conn := a.conn
	a.mu.Unlock()
	if conn == nil {
		return
	}
	if d, ok := conn.(interface{ SetWriteDeadline(time.Time) error }); ok {
		a.log.check("asking the agent to load", d.SetWriteDeadline(time.Now().Add(loadTimeout)))
	}
	_, err := io.WriteString(conn, "load\n")
	a.log.check("asking the agent to load", err)
}
