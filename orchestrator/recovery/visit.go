package recovery

import (
	"math/rand/v2"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/health"
	"github.com/fleetfall/fleetfall/scenarios"
)

// visits is the policy of a recovery to which somebody comes: trouble is reported some time after it is noticed, hosts
// wait for a technician who is free, and the technician goes through the script. Until somebody is there, hosts keep
// restarting by themselves.
type visits struct {
	restarts *restarts
	notice   notice
	staff    staff
	script   Script
	after    time.Duration // from the trouble to the queue, unless the host is well by then
	handsOn  scenarios.Distribution
	chance   func(host, n uint32) *rand.Rand

	hosts     []visit
	timers    uint32 // asked for so far, so that each is another
	assigning bool   // whoever is free is sent on as soon as this is done
}

// A visit is where one host stands.
type visit struct {
	at    stage
	begun bool   // of a step that boots the host: the boot has
	mark  uint32 // the timer that moves it on, or its ticket in the queue; 0 for neither
	times uint32 // that a technician worked at it
}

// A stage is where a visit stands: before the script, or at one of its steps, which are counted from first on.
type stage uint8

const (
	unknown  stage = iota // nobody has noticed anything
	noticing              // somebody will report it
	queued                // waits for a technician
	first                 // step of the script
)

// attended tells whether a technician is at the host.
func (v *visit) attended() bool { return v.at >= first }

// Observe implements Policy.
func (v *visits) Observe(edges []health.Edge) []Act {
	var acts []Act
	for _, e := range edges {
		acts = v.observe(acts, e)
	}
	return acts
}

func (v *visits) observe(acts []Act, e health.Edge) []Act {
	h := &v.hosts[e.Host]
	// A panic in the technician's hands is trouble, the first one too.
	if trouble := v.notice.trouble(e); trouble || e.Kind == health.EdgeCrashed && h.attended() {
		acts = v.report(acts, e.Host)
	}
	step := Step{}
	if h.attended() {
		step = v.script[h.at-first]
	}
	switch {
	case e.Kind == health.EdgeLost:
		acts = v.drop(acts, e.Host)
	case e.Kind == health.EdgeRepairing && step.Boot == fleet.Safe:
		h.begun = true
	case e.Kind == health.EdgeAnswering && step.Boot == fleet.Safe, e.Kind == health.EdgeDone && step.Order.Kind != "":
		acts = v.proceed(acts, e.Host, h.at+1)
	case e.Kind == health.EdgeFailed && step.Order.Kind != "":
		acts = v.report(acts, e.Host)
	}
	if !h.attended() {
		acts = v.restarts.observe(acts, e)
	}
	return acts
}

// report says that a host is in trouble: one that nobody has seen to yet, or one at which a technician failed and gives
// up for now.
func (v *visits) report(acts []Act, host uint32) []Act {
	h := &v.hosts[host]
	switch {
	case h.at == unknown:
		return v.wait(acts, host, noticing, ForNotice, v.after)
	case h.attended() && v.script[h.at-first].Boot != "" && !h.begun:
		return acts // what it does on its way there, it does not do in the technician's hands
	case h.attended():
		v.staff.free++
		return v.assign(v.wait(acts, host, noticing, ForNotice, v.after))
	}
	return acts // noticed already
}

// drop a host that the testbed has failed.
func (v *visits) drop(acts []Act, host uint32) []Act {
	v.notice.forgive(host)
	return v.leave(acts, host)
}

// leave a host alone. Who was there goes to the next.
func (v *visits) leave(acts []Act, host uint32) []Act {
	h := &v.hosts[host]
	attended := h.attended()
	h.at, h.mark = unknown, 0
	if attended {
		v.staff.free++
		return v.assign(acts)
	}
	return acts
}

// assign sends who is free to the hosts that have waited longest.
func (v *visits) assign(acts []Act) []Act {
	if v.assigning {
		return acts
	}
	v.assigning = true
	defer func() { v.assigning = false }()
	for p, ok := v.staff.next(); ok; p, ok = v.staff.next() {
		h := &v.hosts[p.host]
		switch {
		case h.at != queued || h.mark != p.ticket: // it has left the queue
		case v.notice.up[p.host]:
			h.at, h.mark = unknown, 0 // came back by itself
		default:
			v.staff.free--
			v.restarts.forget(p.host)
			acts = v.proceed(acts, p.host, first)
		}
	}
	return acts
}

// proceed goes on with a step of the script, or ends the visit after the last.
func (v *visits) proceed(acts []Act, host uint32, at stage) []Act {
	h := &v.hosts[host]
	h.at, h.begun, h.mark = at, false, 0
	if int(at-first) == len(v.script) {
		v.notice.forgive(host)
		return v.leave(acts, host)
	}
	switch s := v.script[at-first]; {
	case s.Boot == fleet.Normal: // whether it comes up is for its users to notice
		return v.proceed(append(acts, Act{Do: Boot, Host: host, Mode: s.Boot}), host, at+1)
	case s.Boot != "":
		return append(acts, Act{Do: Boot, Host: host, Mode: s.Boot})
	case s.Order.Kind != "":
		return append(acts, Act{Do: Tell, Host: host, Order: s.Order})
	}
	h.times++
	return v.wait(acts, host, at, ForHandsOn, v.handsOn.Sample(v.chance(host, h.times)))
}

// Fired implements Policy.
func (v *visits) Fired(t Timer) []Act {
	h := &v.hosts[t.Host]
	switch {
	case t.Purpose == ForRestart:
		return v.restarts.Fired(t)
	case h.mark != t.N || h.at == queued:
		return nil
	case h.attended():
		return v.proceed(nil, t.Host, h.at+1)
	case v.notice.up[t.Host]:
		h.at, h.mark = unknown, 0 // came back before anybody reported it
		return nil
	}
	h.at, h.mark = queued, v.staff.enter(t.Host)
	return v.assign(nil)
}

// wait brings a host to a stage from which a timer moves it on.
func (v *visits) wait(acts []Act, host uint32, at stage, p Purpose, d time.Duration) []Act {
	v.timers++
	h := &v.hosts[host]
	h.at, h.mark = at, v.timers
	return append(acts, Act{Host: host, Wait: d, Timer: Timer{p, host, v.timers}})
}
