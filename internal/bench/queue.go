package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/health"
	"github.com/fleetfall/fleetfall/orchestrator/recovery"
	"github.com/fleetfall/fleetfall/scenarios"
	"github.com/fleetfall/fleetfall/vmimages"
)

// queueOnly is the argument with which this program does nothing but have a fleet recovered by technicians, so that its
// memory is that.
const queueOnly = "queue"

const (
	queueHosts       = 1_000_000
	queueTechnicians = 1_000
	queueMemoryMost  = 200e6 // bytes
)

func queueMemory(ctx context.Context, _ string, _ vmimages.Image) (row, error) {
	peak, err := peakAlone(ctx, queueOnly)
	return row{
		"safe mode's queue over a million fake hosts, peak resident", fmt.Sprintf("%.1f MB", float64(peak)/1e6),
		fmt.Sprintf("under %.0f MB", queueMemoryMost/1e6), held(peak < queueMemoryMost),
	}, err
}

// How long hosts and technicians take. Hosts fall into boot loops one after the other, and all of them have before the
// first technician is done.
const (
	queueApart   = time.Millisecond
	queueRestart = time.Second
	queueNotice  = 2 * time.Second // after its last restart
	queueHandsOn = 10 * time.Hour
)

// queue has hosts fall into boot loops, and technicians see to them until all are back.
func queue(hosts, technicians int) error {
	policy, err := recovery.New(scenarios.Recovery{
		Name: "technicians", Strategy: "safe_mode", Technicians: technicians,
		Restart: scenarios.Duration(queueRestart), Notice: scenarios.Duration(queueNotice),
		HandsOn: scenarios.Distribution{Kind: "fixed", A: scenarios.Duration(queueHandsOn)},
	}, recovery.Fleet{Hosts: hosts, Chance: func(host, n uint32) *rand.Rand {
		return rand.New(rand.NewPCG(uint64(host), uint64(n)))
	}})
	if err != nil {
		return err
	}
	f := fakeHosts{policy: policy, state: make([]fakeState, hosts), timers: map[recovery.Purpose][]timer{}}
	for f.step() {
	}
	switch {
	case f.resets != 2*hosts || f.visits != hosts || f.back != hosts:
		return fmt.Errorf("%d hosts restarted %d times, %d were seen to and %d came back", hosts, f.resets, f.visits, f.back)
	case f.waited < hosts-technicians:
		return fmt.Errorf("of %d hosts no more than %d waited at the same time", hosts, f.waited)
	}
	return nil
}

// FakeHosts are the simplest hosts that a policy of recovery can be told of. Each has content on its disk by which it
// panics twice and then hangs, until that is removed.
type fakeHosts struct {
	policy recovery.Policy
	now    time.Duration
	state  []fakeState
	began  int                          // hosts that have panicked
	edges  []health.Edge                // that the policy is still to be told
	timers map[recovery.Purpose][]timer // all of one purpose wait as long: the first is due first

	resets, visits, back int
	waiting, waited      int // for a technician: now, and at most
}

// A fakeState is what content has done to a host.
type fakeState uint8

const (
	sound    fakeState = iota // nothing, or it is removed
	panicked                  // once
	looping                   // twice
)

type timer struct {
	due   time.Duration
	timer recovery.Timer
}

// step tells the policy what happens next. It is false when nothing will.
func (f *fakeHosts) step() bool {
	if len(f.edges) > 0 {
		e := f.edges[:1]
		f.edges = f.edges[1:]
		f.do(f.policy.Observe(e))
		return true
	}
	var next *timer
	for _, p := range []recovery.Purpose{recovery.ForRestart, recovery.ForNotice, recovery.ForHandsOn} {
		if queue := f.timers[p]; len(queue) > 0 && (next == nil || queue[0].due < next.due) {
			next = &queue[0]
		}
	}
	begins := time.Duration(f.began) * queueApart
	switch {
	case f.began < len(f.state) && (next == nil || begins < next.due):
		f.now = begins
		f.state[f.began] = panicked
		f.happened(uint32(f.began), health.EdgeCrashed)
		f.began++
	case next == nil:
		return false
	default:
		f.fire(*next)
	}
	return true
}

func (f *fakeHosts) fire(t timer) {
	p := t.timer.Purpose
	f.timers[p], f.now = f.timers[p][1:], t.due
	if p == recovery.ForNotice {
		f.waiting++
		f.waited = max(f.waited, f.waiting)
	}
	f.do(f.policy.Fired(t.timer))
}

// do what the policy wants.
func (f *fakeHosts) do(acts []recovery.Act) {
	for _, a := range acts {
		switch {
		case a.Do == recovery.Wait:
			p := a.Timer.Purpose
			f.timers[p] = append(f.timers[p], timer{f.now + a.Wait, a.Timer})
		case a.Do == recovery.Reset:
			f.resets++
			f.boot(a.Host)
		case a.Do == recovery.Boot && a.Mode == fleet.Safe:
			f.visits++
			f.waiting--
			f.happened(a.Host, health.EdgeRepairing, health.EdgeAnswering)
		case a.Do == recovery.Boot:
			f.boot(a.Host)
		case a.Do == recovery.Tell:
			f.state[a.Host] = sound
			f.happened(a.Host, health.EdgeDone)
		}
	}
}

// boot a host with its agent.
func (f *fakeHosts) boot(host uint32) {
	switch f.state[host] {
	case sound:
		f.back++
		f.happened(host, health.EdgeStarting, health.EdgeUp)
	case panicked:
		f.state[host] = looping
		f.happened(host, health.EdgeStarting, health.EdgeCrashed)
	case looping:
		f.happened(host, health.EdgeStarting, health.EdgeSilent)
	}
}

func (f *fakeHosts) happened(host uint32, kinds ...health.EdgeKind) {
	for _, k := range kinds {
		f.edges = append(f.edges, health.Edge{At: f.now, Host: host, Kind: k})
	}
}
