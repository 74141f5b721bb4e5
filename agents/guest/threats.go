package main

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

const reportWait = 2 * time.Second // for the agent's report, after the act ended

// threats runs the synthetic threats: harmless acts that the shipped content blocks or reports.
type threats struct {
	dir      string // of the programs
	files    string // where acts are done to files
	patience time.Duration
	agent    *agent
	tally    *tally
	log      *logger

	count uint64
	turn  int
	// Closed when the threat ends that was begun last, of those that are executions and of the others. Of either at most one is
	// under way: an execution that hangs holds one of Go's processors (see tune), and others would hang as well.
	executing, acting chan struct{}
}

// run runs a threat every so often until ctx ends; none if every is 0. work is how often a unit of the workload is done, from the
// phase on: threats fall between them.
func (t *threats) run(ctx context.Context, every, work, phase time.Duration) {
	if wait(ctx, within(phase, work)+between(every, work)) {
		repeat(ctx, every, func() { t.one(ctx) })
	}
}

// between returns by how much what happens every so often is to be late so that it stays clear of what happens at multiples of
// another interval: half of the longest time of which both are multiples, which is the distance that is left. (On a machine with
// one CPU a unit of work that met a threat would have the threat's time in its own.)
func between(every, other time.Duration) time.Duration {
	for other > 0 {
		every, other = other, every%other
	}
	return every / 2
}

// one runs the next threat and notes its outcome. It returns when the threat has ended, or hangs.
func (t *threats) one(ctx context.Context) {
	kind, ended, ok := t.next()
	if !ok {
		return
	}
	t.count++
	threat, result := kind.make(t, t.count), protocol.Threat{ID: t.count, What: kind.what}
	hangs := make(chan struct{})
	goOn := sync.OnceFunc(func() { close(hangs) })
	go func() {
		defer close(ended)
		protect(t.log, "threat", func() { t.attempt(ctx, threat, result, goOn) })
	}()
	select {
	case <-ended:
	case <-hangs:
	}
}

// next returns the kind whose turn it is, and the channel to close when the threat has ended. Kinds of which none can be done
// now lose their turn; ok is false when that is all.
func (t *threats) next() (kind threatKind, ended chan struct{}, ok bool) {
	order := threatOrder()
	for range order {
		kind := order[t.turn%len(order)]
		t.turn++
		last := &t.acting
		if kind.executes {
			last = &t.executing
		}
		if *last != nil {
			select {
			case <-*last:
			default:
				continue
			}
		}
		*last = make(chan struct{})
		return kind, *last, true
	}
	return threatKind{}, nil, false
}

// attempt prepares a threat, does it, notes the outcome, and cleans up. It calls hangs when any of that hangs. A threat that could
// not be prepared has no outcome, and neither has one that nobody blocked and that came to nothing: there was no memory for it, or
// the kernel that was to execute it killed the process instead. (No agent kills what it blocks.)
func (t *threats) attempt(ctx context.Context, x threat, result protocol.Threat, hangs func()) {
	patience := t.patience
	step := func(act func() error, note func(error)) {
		watch(patience, act, func(_ time.Duration, err error) {
			note(err)
			if errors.Is(err, errHangs) {
				hangs()
			}
		})
	}
	defer step(x.clean, func(err error) { t.log.check("cleaning up after a threat", err) })
	ready := false
	step(x.prepare, func(err error) {
		t.log.check("preparing a threat", err)
		ready = err == nil
	})
	if !ready {
		return
	}
	start := time.Now()
	seen, forget := t.agent.expect(x.rule, x.sign, start)
	defer forget()
	noted := false
	step(x.act, func(err error) {
		if noted {
			return
		}
		noted = true // an act that hangs is neither refused nor reported, whatever comes of it later
		result.Blocked = errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM)
		if !result.Blocked && !errors.Is(err, x.ends) && !errors.Is(err, errHangs) {
			t.log.printf("threat %s: %v", result.What, err) // it was not done, so nobody has let it pass
			return
		}
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
