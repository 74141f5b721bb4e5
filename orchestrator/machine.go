package orchestrator

import (
	"fmt"
	"hash/fnv"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/agents/architecture"
	"github.com/fleetfall/fleetfall/orchestrator/draw"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/health"
	"github.com/fleetfall/fleetfall/orchestrator/recovery"
	"github.com/fleetfall/fleetfall/results"
)

// tick is how often the machine looks at what no event tells it: silence, stability, the deadline.
const tick = time.Second

// Tags of the machine's own timers.
const (
	tagTick   = "tick"
	tagInject = "inject"
	tagRevert = "revert"
)

// A decision is one thing that the machine wants done: a mark, an action or, when both are empty, a timer.
type decision struct {
	mark   string
	action fleet.Action
	wait   time.Duration
	tag    string
}

// A machine is the trial's state. It is pure: handle depends on nothing but the events so far. What an event costs does
// not depend on how many hosts there are: what is asked of all of them is counted as they change.
type machine struct {
	trial    Trial
	hosts    *health.Fleet
	own      []host // what is known of hosts besides their health, by number
	update   fleet.Serve
	pulled   fleet.Serve // what the vendor ships in the update's place
	recovery recovery.Policy
	timers   map[string]recovery.Timer // that the policy has asked for, by their tags
	orders   uint64                    // that were told so far: each has a number of its own

	now      time.Duration
	phase    string
	injected time.Duration // when the update was offered first
	tally    tally
	outcome  *Outcome

	changed bool // since the last progress was told, if only the time
	note    string
	panics  int
}

// A host is what the trial knows of one, besides its health.
type host struct {
	steady  health.State  // in which it has no trouble
	agent   bool          // it has one, which takes content
	up      bool          // has beaten since its first boot, or since that was tried again
	retried bool          // its first boot was tried again, as it is once at most
	again   bool          // that boot has not begun yet
	want    uint64        // the content version that it is to end with
	offered time.Duration // when it was offered the update
	refused uint64        // the newest content version that its agent would not load
}

// Phases of a trial.
const (
	phaseBooting  = "booting"
	phaseBaseline = "baseline"
	phaseInjected = "injected"
	phaseReverted = "reverted"
)

func newMachine(t Trial) (*machine, error) {
	m := &machine{trial: t, own: make([]host, len(t.Hosts)), timers: map[string]recovery.Timer{}, phase: phaseBooting, changed: true}
	var err error
	if m.update, m.pulled, err = offers(t); err != nil {
		return nil, err
	}
	names := make([]string, len(t.Hosts))
	for i, spec := range t.Hosts {
		names[i] = spec.Name
	}
	limits := health.Limits{
		Liveness: time.Duration(t.Plan.Liveness), Latency: time.Duration(t.Plan.Latency), Forgets: t.Draws == draw.ByName,
	}
	m.hosts = health.NewFleet(names, limits)
	for _, spec := range t.Hosts {
		if n, ok := m.hosts.Number(spec.Name); ok {
			m.own[n].steady, m.own[n].agent = health.Steady(spec.Architecture), spec.Architecture != architecture.None
		}
	}
	m.recovery, err = recovery.New(t.Cell.Recovery, recovery.Fleet{Hosts: len(names), Chance: m.chance})
	if err != nil {
		return nil, err
	}
	m.tally = newTally(len(names))
	for n := range m.all() {
		m.recount(n)
	}
	return m, nil
}

// all are the numbers of the hosts.
func (m *machine) all() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for n := range uint32(m.hosts.Len()) {
			if !yield(n) {
				return
			}
		}
	}
}

// chance is the randomness of a technician's n-th visit to a host. It does not depend on which other hosts there are.
func (m *machine) chance(host, n uint32) *rand.Rand {
	if m.trial.Draws != draw.ByName {
		return draw.Host(m.trial.Seed, draw.HandsOn, host, int(n))
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%d", m.hosts.Name(host), n)
	return rand.New(rand.NewPCG(m.trial.Seed, h.Sum64()))
}

// begin is what is done before the first event.
func (m *machine) begin() []decision {
	decisions := []decision{{wait: tick, tag: tagTick}}
	for _, n := range m.order() {
		decisions = append(decisions, decision{action: fleet.Boot{Host: m.hosts.Name(n), Mode: fleet.Normal}})
	}
	return decisions
}

// order is that in which the hosts are switched on.
func (m *machine) order() []uint32 {
	hosts := slices.Collect(m.all())
	if m.trial.Draws != draw.ByName {
		draw.Host(m.trial.Seed, draw.Order, 0, 0).Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	}
	return hosts
}

// handle takes the next event and says what is to be done about it.
func (m *machine) handle(e fleet.Event) []decision {
	m.now = e.At
	edges := m.hosts.Observe(e)
	m.observe(e)
	decisions := m.decided(m.recovery.Observe(edges))
	switch w := e.What.(type) {
	case fleet.InfraFailed:
		if e.Host == "" {
			m.end(Invalid, w.Op+": "+w.Reason)
			return decisions
		}
		decisions = append(decisions, m.retry(e.Host)...)
	case fleet.TimerFired:
		decisions = append(decisions, m.fired(w.Tag)...)
	}
	if m.outcome != nil {
		return decisions
	}
	return append(decisions, m.advance()...)
}

// fired is what is done when a timer has fired: the policy's, or one of the machine's own.
func (m *machine) fired(tag string) []decision {
	if t, ok := m.timers[tag]; ok {
		delete(m.timers, tag)
		return m.decided(m.recovery.Fired(t))
	}
	switch tag {
	case tagTick:
		m.changed = true // the clock has
		return []decision{{wait: tick, tag: tagTick}}
	case tagInject:
		if why := m.unavailable(); why != "" {
			m.end(Invalid, why)
			return nil
		}
		return m.inject()
	case tagRevert:
		return m.revert()
	}
	return nil
}

// decided is what the policy wants, in the names that backends and journals have for hosts and timers.
func (m *machine) decided(acts []recovery.Act) []decision {
	var decisions []decision
	for _, a := range acts {
		name := m.hosts.Name(a.Host)
		d := decision{}
		switch a.Do {
		case recovery.Wait:
			d.wait, d.tag = a.Wait, a.Timer.Tag(name)
			m.timers[d.tag] = a.Timer
		case recovery.Tell:
			m.orders++
			a.Order.ID = m.orders
		}
		d.action = a.Action(name)
		decisions = append(decisions, d)
	}
	return decisions
}

// observe notes what the event tells besides hosts' health.
func (m *machine) observe(e fleet.Event) {
	touched := m.hosts.Touched()
	if e.Host != "" && len(touched) > 0 { // else it is of no host, or of one that is not ours
		h := &m.own[touched[0]]
		switch w := e.What.(type) {
		case fleet.Booting:
			h.again = false
		case fleet.Beat:
			m.changed = m.changed || !h.up
			h.up = true
		case fleet.Panic:
			m.panics++
			m.tell("%s: %s", e.Host, w.Title)
		case fleet.ContentRefused:
			h.refused = max(h.refused, w.Version)
			m.tell("%s: content %d refused: %s", e.Host, w.Version, w.Reason)
		case fleet.BootFailed:
			m.tell("%s: did not boot: %s", e.Host, w.Reason)
		case fleet.Garbage:
			m.tell("%s: %d bytes on its channel are no message: %s", e.Host, w.Bytes, w.Reason)
		case fleet.InfraFailed:
			h.again = false
			m.tell("%s: infrastructure: %s: %s", e.Host, w.Op, w.Reason)
		case fleet.AgentExit:
			m.tell("%s: agent ended by signal %d, exit code %d", e.Host, w.Signal, w.Code)
		}
	}
	for _, n := range touched {
		m.recount(n)
	}
}

// retry has a host booted once more that the testbed failed before anything was asked of it.
func (m *machine) retry(name string) []decision {
	n, ok := m.hosts.Number(name)
	if !ok || m.own[n].retried || m.phase != phaseBooting {
		return nil
	}
	h := &m.own[n]
	h.retried, h.again, h.up = true, true, false
	m.recount(n)
	return []decision{{action: fleet.Boot{Host: name, Mode: fleet.Normal}}}
}

func (m *machine) tell(format string, args ...any) {
	m.changed, m.note = true, fmt.Sprintf(format, args...)
}

// advance moves the trial on when its hosts are where they are to be.
func (m *machine) advance() []decision {
	if m.tally.lost == m.hosts.Len() {
		m.end(Invalid, "every host was lost to infrastructure failures")
		return nil
	}
	switch m.phase {
	case phaseBooting:
		switch {
		case m.tally.failed >= 0: // a host that fails before anything was injected is no data
			m.end(Invalid, fmt.Sprintf("host %s failed before the update: %s",
				m.hosts.Name(uint32(m.tally.failed)), m.hosts.Host(uint32(m.tally.failed)).State()))
		case m.tally.unready == 0:
			m.phase, m.changed = phaseBaseline, true
			return []decision{{mark: results.MarkReady}, {wait: time.Duration(m.trial.Cell.Update.At), tag: tagInject}}
		case m.now > m.trial.ReadyWithin:
			m.end(Invalid, fmt.Sprintf("the fleet was not ready within %s: %s", m.trial.ReadyWithin, m.unready()))
		}
	case phaseInjected, phaseReverted:
		waiting := m.phase == phaseInjected && m.trial.Cell.Update.RevertAfter > 0
		switch {
		case !waiting && m.settled():
			m.end(Settled, "")
		case m.now-m.injected >= time.Duration(m.trial.Plan.Deadline):
			m.end(Deadline, "")
		}
	}
	return nil
}

func (m *machine) end(status, reason string) {
	m.outcome = &Outcome{Status: status, Reason: reason, End: m.now}
}

// unavailable tells which host is not up, "" when all are that are not lost: it would count as hit by what it had not
// yet been offered. Work that is slow at this instant may be a busy machine's doing, of which the control tells.
func (m *machine) unavailable() string {
	for n := range m.all() {
		s := m.hosts.Host(n).State()
		if !m.lost(n) && !s.Available() && s != health.Degraded {
			return fmt.Sprintf("host %s was %s when the update was to be offered", m.hosts.Name(n), s)
		}
	}
	return ""
}

// unready names hosts that keep the fleet from being ready, with the state that each is in.
func (m *machine) unready() string {
	const most = 4
	var hosts []string
	more := 0
	for n := range m.all() {
		switch name, s := m.hosts.Name(n), m.hosts.Host(n).State(); {
		case m.lost(n) || m.isReady(n):
		case len(hosts) == most:
			more++
		case !m.own[n].up:
			hosts = append(hosts, fmt.Sprintf("%s is %s and has sent no beat", name, s))
		default:
			hosts = append(hosts, fmt.Sprintf("%s is %s", name, s))
		}
	}
	text := strings.Join(hosts, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (m *machine) inject() []decision {
	m.phase, m.changed, m.injected = phaseInjected, true, m.now
	decisions := append([]decision{{mark: results.MarkInjected}}, m.serve(m.update)...)
	if after := time.Duration(m.trial.Cell.Update.RevertAfter); after > 0 {
		decisions = append(decisions, decision{wait: after, tag: tagRevert})
	}
	return decisions
}

func (m *machine) revert() []decision {
	m.phase, m.changed = phaseReverted, true
	return append([]decision{{mark: results.MarkReverted}}, m.serve(m.pulled)...)
}

// serve offers content to every host's updater.
func (m *machine) serve(offer fleet.Serve) []decision {
	var decisions []decision
	for n := range m.all() {
		h := &m.own[n]
		if h.want == 0 {
			h.offered = m.now
		}
		h.want = offer.Version
		m.recount(n)
		if m.hosts.Host(n).Invalid == "" {
			decisions = append(decisions, decision{action: offer.To(m.hosts.Name(n))})
		}
	}
	return decisions
}

func (m *machine) progress() Progress {
	return Progress{
		Trial: m.trial, Phase: m.phase, At: m.now, Panics: m.panics, States: maps.Clone(m.tally.states), LastNote: m.note,
		Up: m.tally.up, Invalid: m.tally.invalid,
	}
}
