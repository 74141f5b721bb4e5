// Package recovery holds the strategies by which hosts that are down come back. A strategy is a pure state machine: it is
// told what happened and answers what to do, and touches no host, clock or randomness of its own.
package recovery

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/health"
	"github.com/fleetfall/fleetfall/scenarios"
)

// A Policy decides what is done about hosts that are down.
type Policy interface {
	// Observe is told of the next event of the fleet, timers included, with the changes of state that it brought, and
	// returns what is to be done now, in order.
	Observe(e fleet.Event, changes []health.Change) []Step
}

// A Step is one thing to do: an action, or, when Action is nil, a timer whose TimerFired is told to Observe.
type Step struct {
	Action fleet.Action
	Wait   time.Duration
	Tag    string
}

// Strategies lists the names that New knows.
func Strategies() []string { return []string{"none", "safe_mode"} }

// New makes the policy that a scenario describes. Policies of one seed and the same events do the same.
func New(r scenarios.Recovery, seed uint64) (Policy, error) {
	restart := &restarter{after: time.Duration(r.Restart), pending: map[string]string{}, count: map[string]int{}}
	switch r.Strategy {
	case "none":
		return &valid{restart, map[string]bool{}}, nil
	case "safe_mode":
		if r.Technicians < 1 {
			return nil, fmt.Errorf("recovery %q: safe_mode needs at least one technician", r.Name)
		}
		return &valid{&safeMode{
			restart: restart, free: r.Technicians, notice: time.Duration(r.Notice), handsOn: r.HandsOn, seed: seed,
			jobs: map[string]*job{}, up: map[string]bool{}, panics: map[string]int{}, visits: map[string]int{},
		}, map[string]bool{}}, nil
	}
	return nil, fmt.Errorf("recovery %q: unknown strategy %q, known are %v", r.Name, r.Strategy, Strategies())
}

// valid leaves hosts alone that the testbed failed: what still comes from them is no trouble of the subject's, and a boot
// would make samples of them again. Once the orchestrator boots one anew, its policy hears of it again.
type valid struct {
	Policy
	lost map[string]bool
}

// Observe implements Policy.
func (v *valid) Observe(e fleet.Event, changes []health.Change) []Step {
	switch e.What.(type) {
	case fleet.InfraFailed:
		if e.Host != "" {
			v.lost[e.Host] = true
			return v.Policy.Observe(e, changes)
		}
	case fleet.Booting:
		delete(v.lost, e.Host)
	}
	changes = slices.DeleteFunc(slices.Clone(changes), func(c health.Change) bool { return v.lost[c.Host] })
	if v.lost[e.Host] {
		return nil
	}
	return v.Policy.Observe(e, changes)
}

// A restarter is the automatic restart after a panic that every machine has.
type restarter struct {
	after   time.Duration
	pending map[string]string // the tag of a host's restart that is due; none once it boots by other means
	count   map[string]int    // of restarts, so that each tag is new
}

// Observe implements Policy.
func (r *restarter) Observe(e fleet.Event, _ []health.Change) []Step {
	switch w := e.What.(type) {
	case fleet.Panic:
		r.count[e.Host]++
		tag := fmt.Sprintf("restart/%s/%d", e.Host, r.count[e.Host])
		r.pending[e.Host] = tag
		return []Step{{Wait: r.after, Tag: tag}}
	case fleet.Booting, fleet.InfraFailed, fleet.PoweredOff:
		delete(r.pending, e.Host)
	case fleet.TimerFired:
		for host, tag := range r.pending {
			if tag == w.Tag {
				delete(r.pending, host)
				return []Step{{Action: fleet.Reset{Host: host}}}
			}
		}
	}
	return nil
}

// safeMode is the remedy published in July 2024: a technician boots the host into safe mode, removes the content, and
// boots it again. Technicians take hosts in the order in which they were noticed; until then hosts keep restarting.
type safeMode struct {
	restart *restarter
	free    int           // technicians
	notice  time.Duration // from the trouble to the queue, unless the host is well by then
	handsOn scenarios.Distribution
	seed    uint64

	jobs   map[string]*job // hosts that somebody has noticed
	queue  []string        // of those, the ones that wait for a technician
	up     map[string]bool
	panics map[string]int // since the host was last up
	visits map[string]int // of technicians, a host
	timers int            // so that each tag is new
	orders uint64         // so that each has a number of its own
}

type stage int

const (
	noticing stage = iota // somebody will report it
	queued                // waits for a technician
	booting               // into safe mode
	removing              // the content
	working               // whatever else the technician does
)

type job struct {
	stage stage
	begun bool        // its boot into safe mode has
	order fleet.Order // of the technician's, latest
	tag   string      // of the timer that moves it on
}

// attended tells whether a technician is at the host.
func (j *job) attended() bool { return j != nil && j.stage >= booting }

// Observe implements Policy.
func (s *safeMode) Observe(e fleet.Event, changes []health.Change) []Step {
	var steps []Step
	for _, c := range changes {
		s.up[c.Host] = c.To.Available()
		if s.up[c.Host] {
			s.panics[c.Host] = 0
		}
		if c.To == health.Hung || c.To == health.Degraded { // its users see either
			steps = append(steps, s.trouble(c.Host)...)
		}
	}
	j := s.jobs[e.Host]
	switch w := e.What.(type) {
	case fleet.Panic:
		s.panics[e.Host]++
		if j.attended() || s.panics[e.Host] >= 2 {
			steps = append(steps, s.trouble(e.Host)...)
		}
	case fleet.Booting:
		if j != nil && j.stage == booting && w.Mode == fleet.Safe {
			j.begun = true
		}
	case fleet.Hello:
		if j != nil && j.stage == booting && w.Mode == fleet.Safe {
			j.stage = removing
			steps = append(steps, Step{Action: fleet.Tell{Host: e.Host, Order: s.order(j)}})
		}
	case fleet.OrderDone:
		if j != nil && j.stage == removing && j.order.AnsweredBy(w) {
			if w.Error != "" {
				steps = append(steps, s.trouble(e.Host)...)
				break
			}
			j.stage = working
			steps = append(steps, s.wait(j, "hands-on", e.Host, s.work(e.Host)))
		}
	case fleet.InfraFailed:
		steps = append(steps, s.drop(e.Host)...)
	case fleet.TimerFired:
		steps = append(steps, s.timer(w.Tag)...)
	}
	if !s.jobs[e.Host].attended() {
		steps = append(steps, s.restart.Observe(e, nil)...)
	}
	return steps
}

// trouble is noticed: of a host that nobody has seen to yet, or of one at which a technician failed and gives up for now.
func (s *safeMode) trouble(host string) []Step {
	j := s.jobs[host]
	switch {
	case j == nil:
		j = &job{}
		s.jobs[host] = j
		return []Step{s.wait(j, "notice", host, s.notice)}
	case j.stage == booting && !j.begun:
		return nil // what it does on its way there, it does not do in the technician's hands
	case j.attended():
		s.free++
		j.stage = noticing
		return append([]Step{s.wait(j, "notice", host, s.notice)}, s.assign()...)
	}
	return nil // noticed already
}

func (s *safeMode) drop(host string) []Step {
	j := s.jobs[host]
	delete(s.jobs, host)
	delete(s.panics, host)
	s.queue = slices.DeleteFunc(s.queue, func(h string) bool { return h == host })
	if j.attended() {
		s.free++
		return s.assign()
	}
	return nil
}

// assign sends free technicians to the hosts that have waited longest.
func (s *safeMode) assign() []Step {
	var steps []Step
	for s.free > 0 && len(s.queue) > 0 {
		host := s.queue[0]
		s.queue = s.queue[1:]
		if s.up[host] {
			delete(s.jobs, host) // came back by itself
			continue
		}
		s.free--
		s.jobs[host].stage, s.jobs[host].begun = booting, false
		delete(s.restart.pending, host)
		steps = append(steps, Step{Action: fleet.Boot{Host: host, Mode: fleet.Safe}})
	}
	return steps
}

func (s *safeMode) timer(tag string) []Step {
	for host, j := range s.jobs {
		if j.tag != tag {
			continue
		}
		j.tag = ""
		if j.stage == working {
			delete(s.jobs, host)
			s.panics[host] = 0 // another boot loop has to be noticed anew
			s.free++
			return append([]Step{{Action: fleet.Boot{Host: host, Mode: fleet.Normal}}}, s.assign()...)
		}
		if s.up[host] {
			delete(s.jobs, host) // came back before anybody reported it
			return nil
		}
		j.stage = queued
		s.queue = append(s.queue, host)
		return s.assign()
	}
	return nil
}

// order is what the guest is told to do for a technician.
func (s *safeMode) order(j *job) fleet.Order {
	s.orders++
	j.order = fleet.Order{ID: s.orders, Kind: fleet.RemoveContent}
	return j.order
}

func (s *safeMode) wait(j *job, what, host string, d time.Duration) Step {
	s.timers++
	j.tag = fmt.Sprintf("%s/%s/%d", what, host, s.timers)
	return Step{Wait: d, Tag: j.tag}
}

// work draws a technician's time at a host. It depends on the seed, the host and how often it was visited, not on the
// order in which hosts are.
func (s *safeMode) work(host string) time.Duration {
	s.visits[host]++
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%d", host, s.visits[host])
	return s.handsOn.Sample(rand.New(rand.NewPCG(s.seed, h.Sum64())))
}
