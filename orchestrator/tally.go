package orchestrator

import (
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/health"
)

// A tally counts what is asked of all hosts at each event. It is brought up to date host by host, as they change, so
// that asking costs nothing.
type tally struct {
	hosts  []count
	states map[health.State]int

	up, invalid, lost int
	unready           int // neither lost nor ready
	unsettled         int // valid, and not with the content that they are to have, or not steady
	failed            int // of the hosts that have hung or loop, the first of the latest event's; -1 for none

	// latest is the time since which every settled host has been so; stale says that the host which it is of has
	// left them, so that another's is to be found.
	latest time.Duration
	stale  bool
}

// A count is what a host counts as.
type count struct {
	state              health.State // "" before it was counted
	up, invalid, lost  bool
	unready, unsettled bool
	since              time.Duration // it is as it is to be; of a valid host that is settled
}

func newTally(hosts int) tally {
	return tally{hosts: make([]count, hosts), states: map[health.State]int{}, failed: -1}
}

// recount counts a host as what it is now.
func (m *machine) recount(n uint32) {
	h, own, t := m.hosts.Host(n), &m.own[n], &m.tally
	was := t.hosts[n]
	is := count{state: h.State(), up: own.up, invalid: h.Invalid != "", lost: m.lost(n)}
	is.unready = !is.lost && !m.isReady(n)
	took := h.Content == own.want || own.refused >= own.want || !own.agent
	is.unsettled = !is.invalid && (!took || is.state != own.steady)
	is.since = max(h.Since(), own.offered)
	t.hosts[n] = is
	if was.state != is.state {
		if was.state != "" {
			m.changed = true
			if t.states[was.state]--; t.states[was.state] == 0 {
				delete(t.states, was.state)
			}
		}
		t.states[is.state]++
	}
	for _, c := range []struct {
		of      *int
		was, is bool
	}{
		{&t.up, was.up, is.up}, {&t.invalid, was.invalid, is.invalid}, {&t.lost, was.lost, is.lost},
		{&t.unready, was.unready, is.unready}, {&t.unsettled, was.unsettled, is.unsettled},
	} {
		switch {
		case c.is && !c.was:
			*c.of++
		case c.was && !c.is:
			*c.of--
		}
	}
	if !is.lost && (is.state == health.Hung || h.Looping()) && (t.failed < 0 || int(n) < t.failed) {
		t.failed = int(n)
	}
	t.settle(was, is)
}

// settle keeps the time since which all are settled.
func (t *tally) settle(was, is count) {
	settled := func(c count) bool { return c.state != "" && !c.invalid && !c.unsettled }
	if settled(was) && was.since == t.latest {
		t.stale = true
	}
	if settled(is) && is.since >= t.latest {
		t.latest, t.stale = is.since, false
	}
}

// settledSince is the time since which every settled host has been so.
func (t *tally) settledSince() time.Duration {
	if t.stale {
		t.latest, t.stale = 0, false
		for _, c := range t.hosts {
			if !c.invalid && !c.unsettled {
				t.latest = max(t.latest, c.since)
			}
		}
	}
	return t.latest
}

// lost tells whether the testbed failed the host for good.
func (m *machine) lost(n uint32) bool { return m.hosts.Host(n).Invalid != "" && !m.own[n].again }

// isReady tells whether a host is up and steady.
func (m *machine) isReady(n uint32) bool {
	return m.own[n].up && m.hosts.Host(n).State() == m.own[n].steady
}

// settled tells whether every valid host has taken the content that it is to end with, and has been steady since for
// long enough.
func (m *machine) settled() bool {
	return m.tally.unsettled == 0 && m.now-m.tally.settledSince() >= time.Duration(m.trial.Plan.StableFor)
}
