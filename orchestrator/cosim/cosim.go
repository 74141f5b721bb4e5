// Package cosim keeps the time of hosts that each have a clock of their own: conservative co-simulation, after Chandy,
// Misra and Bryant.
//
// A host runs by itself until it asks for something, and then stands still until it is answered. It gets to know of
// others by answers alone. So that no answer has to be taken back, one is given only when nothing that it may depend on
// can still come: what one host does at t is visible to others from t + lookahead on, and a host that asks at r may be
// answered once every other host is known to have come further than r - lookahead: at that very time, too, something
// may happen of which it may know. Until then all of them may run, on as many CPUs as there are, and what comes out
// does not depend on which of them was quicker.
//
// The package is a data structure: it starts nothing and waits for nothing, and it imports nothing of ours. A call
// costs the logarithm of the number of hosts; Waited, what it lists.
package cosim

import (
	"cmp"
	"container/heap"
	"math"
	"time"
)

// never is later than any time.
const never = time.Duration(math.MaxInt64)

// An Item is something that happens at a time, of a host or, with an empty name, of none.
type Item[T any] struct {
	At   time.Duration
	Host string
	What T

	number int // of the put
}

// A Coordinator holds what is known of the hosts' clocks, and what is to happen. Its zero value has no lookahead and no
// hosts; use New. It is for one goroutine.
type Coordinator[T any] struct {
	lookahead time.Duration
	now       time.Duration
	clocks    map[string]*clock // of the hosts whose time goes on
	running   clocks            // those of them that run
	asking    clocks            // those that stand still until they are answered
	items     items[T]
	puts      int
}

// New returns a Coordinator at time 0. The lookahead is above 0: with none, no two hosts could ever run at once.
func New[T any](lookahead time.Duration) *Coordinator[T] {
	return &Coordinator[T]{lookahead: lookahead, clocks: map[string]*clock{}}
}

// Now is the time of the item that was taken last.
func (c *Coordinator[T]) Now() time.Duration { return c.now }

// Visible is the time from which on hosts may know of what is decided now.
func (c *Coordinator[T]) Visible() time.Duration { return c.now + c.lookahead }

// Runs tells that a host runs, from this time on.
func (c *Coordinator[T]) Runs(host string, from time.Duration) {
	c.clockOf(host).moveTo(&c.running, from)
}

// Reached tells that the clock of a host that runs was seen at this time, and the host has not asked for anything.
func (c *Coordinator[T]) Reached(host string, at time.Duration) {
	if k := c.clocks[host]; k != nil && k.heap == &c.running && at > k.at {
		k.moveTo(&c.running, at)
	}
}

// Asks tells that a host stands still at this time until it is answered, which Runs tells. The time is returned: it is
// no earlier than any that the host is known to have reached, whatever it says itself.
func (c *Coordinator[T]) Asks(host string, at time.Duration) time.Duration {
	k := c.clockOf(host)
	at = max(at, k.at, c.now)
	k.moveTo(&c.asking, at)
	return at
}

// Stops tells that nothing more comes of a host by itself.
func (c *Coordinator[T]) Stops(host string) {
	if k := c.clocks[host]; k != nil {
		k.remove()
		delete(c.clocks, host)
	}
}

// clockOf is the host's clock, a new one if its time did not go on until now.
func (c *Coordinator[T]) clockOf(host string) *clock {
	k := c.clocks[host]
	if k == nil {
		k = &clock{host: host}
		c.clocks[host] = k
	}
	return k
}

// Put adds an item; at a time that has passed it happens now.
func (c *Coordinator[T]) Put(at time.Duration, host string, what T) {
	c.puts++
	heap.Push(&c.items, Item[T]{max(at, c.now), host, what, c.puts})
}

// Take takes the next item, once nothing can come before it: false as long as something can, or when there is none.
// Items are ordered by time, then by host, then as they were put.
func (c *Coordinator[T]) Take() (Item[T], bool) {
	if !c.due() {
		return Item[T]{}, false
	}
	item := heap.Pop(&c.items).(Item[T])
	c.now = item.At
	return item, true
}

// Answerable returns the host that has asked first among those that may be answered now. As long as an item can be
// taken there is none: it may be what an answer depends on.
func (c *Coordinator[T]) Answerable() (host string, at time.Duration, ok bool) {
	if c.due() {
		return "", 0, false
	}
	first := c.asking.first()
	if frontier, _ := c.frontier(); first == nil || first.at-c.lookahead >= frontier {
		return "", 0, false
	}
	return first.host, first.at, true
}

// due tells whether an item can be taken. At the frontier's own time the order of hosts decides: an answer that the
// first of them has still to get may put an item there.
func (c *Coordinator[T]) due() bool {
	if len(c.items) == 0 {
		return false
	}
	first := c.items[0]
	at, host := c.frontier()
	return first.At < at || first.At == at && first.Host <= host
}

// frontier is the time up to which everything that happens is known, and the first of the hosts that are no further.
func (c *Coordinator[T]) frontier() (at time.Duration, host string) {
	first, asks := c.running.first(), c.asking.first()
	if first == nil || asks != nil && asks.compare(first) < 0 {
		first = asks
	}
	if first == nil {
		return never, ""
	}
	return first.at, first.host
}

// Waited lists the hosts that run, and that somebody waits for: the next item cannot be taken, or nobody who asks be
// answered, before their clocks are seen further on. The order is any.
func (c *Coordinator[T]) Waited() []string {
	limit := time.Duration(math.MinInt64) // of the clocks that are waited for
	if len(c.items) > 0 && c.items[0].At < never {
		limit = c.items[0].At
	}
	if first := c.asking.first(); first != nil {
		limit = max(limit, first.at-c.lookahead)
	}
	return c.running.hostsUpTo(limit, 0, nil)
}

// items is a heap, the earliest first.
type items[T any] []Item[T]

func (q items[T]) Len() int { return len(q) }

func (q items[T]) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(q[i].At, q[j].At), cmp.Compare(q[i].Host, q[j].Host), cmp.Compare(q[i].number, q[j].number)) < 0
}

func (q items[T]) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

func (q *items[T]) Push(item any) { *q = append(*q, item.(Item[T])) }

func (q *items[T]) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
