package health

import (
	"container/heap"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// A Fleet follows all hosts of a fleet: events in, edges out. Hosts are numbered from 0 in the order of their names. An
// event costs no more in a large fleet than in a small one: who falls silent is found by a heap of deadlines.
type Fleet struct {
	names     []string
	numbers   map[string]uint32
	hosts     []*Host
	lost      []bool // the testbed failed it, and it was not booted since
	deadlines deadlines
	waits     []bool   // it has an entry in deadlines
	edges     []Edge   // of the latest event
	touched   []uint32 // the hosts that the latest event may have changed
}

// NewFleet follows hosts of these names, which are unique; all are off at time zero.
func NewFleet(names []string, limits Limits) *Fleet {
	f := &Fleet{
		names: slices.Sorted(slices.Values(names)), numbers: make(map[string]uint32, len(names)),
		hosts: make([]*Host, len(names)), lost: make([]bool, len(names)), waits: make([]bool, len(names)),
	}
	for i, name := range f.names {
		f.numbers[name] = uint32(i)
		f.hosts[i] = NewHost(limits)
	}
	return f
}

// Len is the number of hosts.
func (f *Fleet) Len() int { return len(f.hosts) }

// Name is the name of a host.
func (f *Fleet) Name(host uint32) string { return f.names[host] }

// Number is the number of the host of this name; false when there is none.
func (f *Fleet) Number(name string) (uint32, bool) {
	n, ok := f.numbers[name]
	return n, ok
}

// Host is one of the fleet's hosts, to be read.
func (f *Fleet) Host(host uint32) *Host { return f.hosts[host] }

// Observe takes the fleet's next event, and returns what it tells of hosts: first their passages into other states,
// then the event itself. An event of no host, such as a timer's, shows who has fallen silent meanwhile; one of a host
// that is not the fleet's shows nothing. What is returned is good until the next call.
func (f *Fleet) Observe(e fleet.Event) []Edge {
	f.edges, f.touched = f.edges[:0], f.touched[:0]
	if e.Host == "" {
		f.advance(e.At)
		return f.edges
	}
	n, ok := f.numbers[e.Host]
	if !ok {
		return nil
	}
	f.touched = append(f.touched, n)
	changes := f.hosts[n].Observe(e)
	if _, booted := e.What.(fleet.Booting); booted {
		f.lost[n] = false
	}
	if !f.lost[n] {
		f.pass(n, e.At, changes)
		if kind, says := ofEvent(e.What); says {
			f.edges = append(f.edges, Edge{e.At, n, kind})
		}
	}
	if _, failed := e.What.(fleet.InfraFailed); failed {
		f.lost[n] = true
	}
	f.expect(n)
	return f.edges
}

// Touched are the hosts that the latest event may have changed: of an event of a host, that one alone. It is good until
// the next call of Observe.
func (f *Fleet) Touched() []uint32 { return f.touched }

// advance finds the hosts that have fallen silent by now, in the order of their numbers.
func (f *Fleet) advance(now time.Duration) {
	for len(f.deadlines) > 0 && f.deadlines[0].at < now {
		d := heap.Pop(&f.deadlines).(deadline)
		f.waits[d.host] = false
		if at, speaks := f.hosts[d.host].deadline(); speaks && at < now {
			f.touched = append(f.touched, d.host)
		} else {
			f.expect(d.host)
		}
	}
	slices.Sort(f.touched)
	for _, n := range f.touched {
		changes := f.hosts[n].Advance(now)
		if !f.lost[n] {
			f.pass(n, now, changes)
		}
	}
}

// pass adds the edges of a host's passages from state to state.
func (f *Fleet) pass(n uint32, at time.Duration, changes []Change) {
	for _, c := range changes {
		f.edges = append(f.edges, Edge{at, n, ofState(c.To)})
	}
}

// expect has a host that speaks looked at when its window may have ended. A host has one entry, which may be early:
// then it gets another.
func (f *Fleet) expect(n uint32) {
	if at, speaks := f.hosts[n].deadline(); speaks && !f.waits[n] {
		f.waits[n] = true
		heap.Push(&f.deadlines, deadline{at, n})
	}
}

// A deadline is the end of a host's liveness window, as it was when it was noted.
type deadline struct {
	at   time.Duration
	host uint32
}

// deadlines is a heap.Interface, the earliest first.
type deadlines []deadline

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].at < d[j].at }
func (d deadlines) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *deadlines) Push(x any)        { *d = append(*d, x.(deadline)) }
func (d *deadlines) Pop() any {
	old := *d
	last := old[len(old)-1]
	*d = old[:len(old)-1]
	return last
}
