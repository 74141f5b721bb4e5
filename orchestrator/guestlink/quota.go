package guestlink

import (
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// A Quota bounds what one boot of a guest on the virtual clock has told. On the wall clock its channel is read no
// faster; here nothing slows a guest whose clock stands still while it is answered, so what is too much is refused.
// Times are those at which the guest asks.
type Quota struct {
	paid time.Duration // what it has sent so far is what it may send until then
	junk int           // bytes of garbage not yet told
	why  string        // of the last
	next time.Duration // when garbage may be told again
}

// Admits tells whether a guest may send so many bytes at this time, as of GuestRate and GuestBurst; they are counted if
// it may.
func (q *Quota) Admits(at time.Duration, bytes int) bool {
	paid := max(q.paid, at-GuestBurst*time.Second/GuestRate) + time.Duration(bytes)*time.Second/GuestRate
	if paid > at {
		return false
	}
	q.paid = paid
	return true
}

// Garbage counts what makes no sense.
func (q *Quota) Garbage(bytes int, why string) {
	q.junk, q.why = q.junk+max(1, bytes), why
}

// Tell returns the garbage that is to be told at this time, if any is.
func (q *Quota) Tell(at time.Duration) (g fleet.Garbage, due bool) {
	if q.junk == 0 || at < q.next {
		return g, false
	}
	g = fleet.Garbage{Bytes: q.junk, Reason: Clip(q.why, MaxText)}
	q.junk, q.next = 0, at+GarbageEvery
	return g, true
}
