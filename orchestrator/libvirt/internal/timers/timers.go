// Package timers has functions called at times of the wall clock, in order.
package timers

import (
	"slices"
	"sync"
	"time"
)

// Timers are the timers of one fleet. They run in the order of their time and, for the same time, in the order in which
// they were asked for, one after the other.
type Timers struct {
	mu      sync.Mutex
	pending []timer // sorted by due, then by when they were asked for
	wake    chan struct{}
}

type timer struct {
	due time.Time
	f   func()
}

// New returns timers that run as long as Run does.
func New() *Timers { return &Timers{wake: make(chan struct{}, 1)} }

// After calls f, which must not block, once d has passed while run runs.
func (t *Timers) After(d time.Duration, f func()) { t.at(time.Now().Add(d), f) }

// at calls f as after does, at a time.
func (t *Timers) at(due time.Time, f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	place, _ := slices.BinarySearchFunc(t.pending, due, func(p timer, due time.Time) int {
		if p.due.After(due) {
			return 1
		}
		return -1 // one with the same time was asked for earlier
	})
	t.pending = slices.Insert(t.pending, place, timer{due, f})
	if place == 0 {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// Run runs the timers until done is closed.
func (t *Timers) Run(done <-chan struct{}) {
	next := time.NewTimer(time.Hour)
	defer next.Stop()
	for {
		next.Reset(t.fire())
		select {
		case <-next.C:
		case <-t.wake:
		case <-done:
			return
		}
	}
}

// fire calls every timer that is due and returns how long it is to the next.
func (t *Timers) fire() time.Duration {
	for {
		t.mu.Lock()
		if len(t.pending) == 0 {
			t.mu.Unlock()
			return time.Hour
		}
		first := t.pending[0]
		if wait := time.Until(first.due); wait > 0 {
			t.mu.Unlock()
			return wait
		}
		t.pending = slices.Delete(t.pending, 0, 1)
		t.mu.Unlock()
		first.f()
	}
}
