package cosim

import (
	"cmp"
	"container/heap"
	"time"
)

// A clock is that of a host whose time goes on. It is in one heap: that of the hosts that run, or that of those that
// ask.
type clock struct {
	host  string
	at    time.Duration // nothing new comes of the host before this
	heap  *clocks
	index int // in the heap
}

// moveTo puts the clock into a heap, at a time. It may be in none, in another, or in this one already.
func (k *clock) moveTo(to *clocks, at time.Duration) {
	if k.heap == to {
		k.at = at
		heap.Fix(to, k.index)
		return
	}
	k.remove()
	k.heap, k.at = to, at
	heap.Push(to, k)
}

func (k *clock) remove() {
	if k.heap != nil {
		heap.Remove(k.heap, k.index)
		k.heap = nil
	}
}

func (k *clock) compare(other *clock) int {
	return cmp.Or(cmp.Compare(k.at, other.at), cmp.Compare(k.host, other.host))
}

// Clocks are a heap by time, then by host. Each knows its place in it.
type clocks []*clock

// first is the earliest clock, nil when there is none that will ever come anywhere.
func (q clocks) first() *clock {
	if len(q) == 0 || q[0].at == never {
		return nil
	}
	return q[0]
}

// hostsUpTo appends the hosts whose clocks are no later than limit, from place i of the heap down, in any order. What
// is below a clock that is too late is no earlier: of those it looks at no more than two for each host that it finds.
func (q clocks) hostsUpTo(limit time.Duration, i int, hosts []string) []string {
	if i >= len(q) || q[i].at > limit {
		return hosts
	}
	hosts = append(hosts, q[i].host)
	return q.hostsUpTo(limit, 2*i+2, q.hostsUpTo(limit, 2*i+1, hosts))
}

func (q clocks) Len() int { return len(q) }

func (q clocks) Less(i, j int) bool { return q[i].compare(q[j]) < 0 }

func (q clocks) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *clocks) Push(k any) {
	last := k.(*clock)
	last.index = len(*q)
	*q = append(*q, last)
}

func (q *clocks) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return last
}
