package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

const reportWait = 2 * time.Second // for the agent's report, after the execution ended

// threats runs the synthetic threats: harmless programs that the shipped content blocks or reports by their names.
// One is under way at a time.
type threats struct {
	dir   string // of the programs
	agent *agent
	tally *tally
	log   *logger
	count uint64
}

// A threatKind is a kind of synthetic threat.
type threatKind struct{ what, program string }

func threatKinds() []threatKind {
	return []threatKind{
		{"exec", "threat-exec"}, // to be blocked
		{"mark", "threat-mark"}, // to be reported, and let run
	}
}

// run runs a threat every so often, the kinds in turn, until ctx ends; none if every is 0.
func (t *threats) run(ctx context.Context, every time.Duration) {
	repeat(ctx, every, func() { t.one(ctx) })
}

// one runs the next threat and notes its outcome. The program gets a name of its own for it (rules go by how names
// begin), because the process ID of an execution that is refused is never known here: so a report that bears the name
// is about this threat and no other.
func (t *threats) one(ctx context.Context) {
	kinds := threatKinds()
	kind := kinds[t.count%uint64(len(kinds))]
	t.count++
	path := fmt.Sprintf("%s/%s-%d", t.dir, kind.program, t.count)
	if err := os.Link(t.dir+"/"+kind.program, path); err != nil && !errors.Is(err, os.ErrExist) {
		t.log.printf("threat: %v", err)
		return
	}
	defer func() { t.log.check("threat", os.Remove(path)) }()
	seen, forget := t.agent.expect(path)
	defer forget()

	result := protocol.Threat{ID: t.count, What: kind.what}
	start := time.Now()
	noted := false
	executeWatched(path, patience, func(_ time.Duration, err error) {
		if noted {
			return
		}
		noted = true // an execution that hangs is neither refused nor reported, whatever comes of it later
		result.Blocked = errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM)
		if at, ok := t.report(ctx, seen); ok {
			result.Reported, result.Latency = true, at.Sub(start)
		}
		t.tally.threat(result)
	})
}

// report waits for the agent's report. Without an agent nobody will report.
func (t *threats) report(ctx context.Context, seen <-chan time.Time) (time.Time, bool) {
	limit := reportWait
	if state, _ := t.agent.status(); state != protocol.AgentRunning {
		limit = 0
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case at := <-seen:
		return at, true
	case <-ctx.Done():
	case <-timer.C:
		select {
		case at := <-seen: // both were there
			return at, true
		default:
		}
	}
	return time.Time{}, false
}
