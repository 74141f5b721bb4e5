package main

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

// Bounds of a beat's lists, so that a beat fits a request whatever it says; what goes beyond is counted.
const (
	maxThreats  = 128
	maxExits    = 64
	maxRefusals = 16
	maxDone     = protocol.MaxOrders
	maxText     = 160 // bytes of a text in a beat, before JSON escapes it
)

// A tally gathers what happens between two beats.
type tally struct {
	prompt chan struct{} // holds one when the next beat should not wait

	mu      sync.Mutex
	beat    protocol.Beat
	dropped int // notes beyond the bounds
}

func newTally() *tally { return &tally{prompt: make(chan struct{}, 1)} }

// take returns what was gathered, and starts anew.
func (t *tally) take() (beat protocol.Beat, dropped int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	beat, dropped = t.beat, t.dropped
	t.beat, t.dropped = protocol.Beat{}, 0
	select {
	case <-t.prompt: // what it asked for is in this beat
	default:
	}
	return beat, dropped
}

// work notes a unit of the workload, or a stretch of patience for which it hangs.
func (t *tally) work(kind string, took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.beat.WorkUnits++
	t.beat.WorkTotal += took
	t.beat.WorkMax = max(t.beat.WorkMax, took)
	if err != nil {
		t.beat.WorkFailed++
		if errors.Is(err, errHangs) {
			t.beat.WorkHung++
		}
		return
	}
	i := slices.IndexFunc(t.beat.Loads, func(l protocol.Load) bool { return l.What == kind })
	if i < 0 {
		i = len(t.beat.Loads)
		t.beat.Loads = append(t.beat.Loads, protocol.Load{What: kind})
	}
	t.beat.Loads[i].Units++
	t.beat.Loads[i].Total += took
}

// pollFailed notes a poll of the updater that came to nothing because its program could not run, or a stretch of
// patience for which that hangs, or the load of what it brought.
func (t *tally) pollFailed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.beat.PollsFailed++
}

func (t *tally) threat(x protocol.Threat) {
	t.mu.Lock()
	defer t.mu.Unlock()
	note(&t.beat.Threats, x, maxThreats, &t.dropped)
}

// inherit marks what was noted so far as another machine's: the template's of which this one is a copy.
func (t *tally) inherit() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.beat.Threats {
		t.beat.Threats[i].Inherited = true
	}
}

func (t *tally) refusal(x protocol.Refusal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x.Reason = cut(x.Reason)
	note(&t.beat.Refusals, x, maxRefusals, &t.dropped)
}

func (t *tally) exit(x protocol.Exit) {
	t.mu.Lock()
	defer t.mu.Unlock()
	note(&t.beat.Exits, x, maxExits, &t.dropped)
}

// done notes the answer to an order, which the host is waiting for.
func (t *tally) done(x protocol.Done) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x.Error = cut(x.Error)
	note(&t.beat.Done, x, maxDone, &t.dropped)
	select {
	case t.prompt <- struct{}{}:
	default:
	}
}

func cut(text string) string { return text[:min(len(text), maxText)] }

func note[T any](list *[]T, x T, bound int, dropped *int) {
	if len(*list) >= bound {
		*dropped++
		return
	}
	*list = append(*list, x)
}
