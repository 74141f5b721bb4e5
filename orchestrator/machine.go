package orchestrator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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

// A machine is the trial's state. It is pure: handle depends on nothing but the events so far.
type machine struct {
	trial    Trial
	hosts    map[string]*host
	names    []string // of hosts, sorted
	update   offer
	pulled   offer // what the vendor ships in the update's place
	recovery recovery.Policy

	now      time.Duration
	phase    string
	injected time.Duration // when
	target   uint64        // the content version that every host is to end with
	outcome  *Outcome

	changed bool // since the last progress was told, if only the time
	note    string
	panics  int
}

type host struct {
	*health.Host
	up      bool   // has beaten since its first boot, or since that was tried again
	retried bool   // its first boot was tried again, as it is once at most
	again   bool   // that boot has not begun yet
	refused uint64 // the newest content version that its agent would not load
}

// lost tells whether the testbed failed the host for good.
func (h *host) lost() bool { return h.Invalid != "" && !h.again }

// Phases of a trial.
const (
	phaseBooting  = "booting"
	phaseBaseline = "baseline"
	phaseInjected = "injected"
	phaseReverted = "reverted"
)

func newMachine(t Trial) (*machine, error) {
	policy, err := recovery.New(t.Cell.Recovery, t.Seed)
	if err != nil {
		return nil, err
	}
	m := &machine{trial: t, hosts: map[string]*host{}, recovery: policy, phase: phaseBooting, changed: true}
	if m.update, m.pulled, err = offers(t); err != nil {
		return nil, err
	}
	limits := health.Limits{Liveness: time.Duration(t.Plan.Liveness), Latency: time.Duration(t.Plan.Latency)}
	for _, spec := range t.Hosts {
		m.hosts[spec.Name] = &host{Host: health.NewHost(spec.Name, limits)}
	}
	m.names = slices.Sorted(maps.Keys(m.hosts))
	return m, nil
}

// begin is what is done before the first event.
func (m *machine) begin() []decision {
	decisions := []decision{{wait: tick, tag: tagTick}}
	for _, name := range m.names {
		decisions = append(decisions, decision{action: fleet.Boot{Host: name, Mode: fleet.Normal}})
	}
	return decisions
}

// handle takes the next event and says what is to be done about it.
func (m *machine) handle(e fleet.Event) []decision {
	m.now = e.At
	var decisions []decision
	changes := m.observe(e)
	for _, s := range m.recovery.Observe(e, changes) {
		decisions = append(decisions, decision{action: s.Action, wait: s.Wait, tag: s.Tag})
	}
	if f, ok := e.What.(fleet.InfraFailed); ok {
		if e.Host == "" {
			m.end(Invalid, f.Op+": "+f.Reason)
			return decisions
		}
		decisions = append(decisions, m.retry(e.Host)...)
	}
	if f, ok := e.What.(fleet.TimerFired); ok {
		switch f.Tag {
		case tagTick:
			m.changed = true // the clock has
			decisions = append(decisions, decision{wait: tick, tag: tagTick})
		case tagInject:
			if why := m.unavailable(); why != "" {
				m.end(Invalid, why)
				return decisions
			}
			decisions = append(decisions, m.inject()...)
		case tagRevert:
			decisions = append(decisions, m.revert()...)
		}
	}
	return append(decisions, m.advance()...)
}

// observe brings the hosts' states up to the event, and returns what changed.
func (m *machine) observe(e fleet.Event) []health.Change {
	if e.Host == "" {
		var changes []health.Change
		for _, name := range m.names {
			changes = append(changes, m.hosts[name].Advance(e.At)...)
		}
		m.changed = m.changed || len(changes) > 0
		return changes
	}
	h := m.hosts[e.Host]
	if h == nil {
		return nil // a backend's event for a host that is not ours says nothing about ours
	}
	changes := h.Observe(e)
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
	m.changed = m.changed || len(changes) > 0
	return changes
}

// retry has a host booted once more that the testbed failed before anything was asked of it.
func (m *machine) retry(name string) []decision {
	h := m.hosts[name]
	if h == nil || h.retried || m.phase != phaseBooting {
		return nil
	}
	h.retried, h.again, h.up = true, true, false
	return []decision{{action: fleet.Boot{Host: name, Mode: fleet.Normal}}}
}

func (m *machine) tell(format string, args ...any) {
	m.changed, m.note = true, fmt.Sprintf(format, args...)
}

// advance moves the trial on when its hosts are where they are to be.
func (m *machine) advance() []decision {
	if m.valid() == 0 {
		m.end(Invalid, "every host was lost to infrastructure failures")
		return nil
	}
	switch m.phase {
	case phaseBooting:
		switch ready, why := m.ready(); {
		case why != "":
			m.end(Invalid, why)
		case ready:
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

func (m *machine) valid() int {
	n := 0
	for _, h := range m.hosts {
		if !h.lost() {
			n++
		}
	}
	return n
}

func (m *machine) steady() health.State { return health.Steady(m.trial.Cell.Fleet.Architecture) }

// isReady tells whether a host is up and steady.
func (m *machine) isReady(h *host) bool { return h.up && h.State() == m.steady() }

// ready tells whether every host that is not lost is so. A host that fails before anything was injected is no data: why
// then says what happened.
func (m *machine) ready() (ready bool, why string) {
	ready = true
	for _, name := range m.names {
		h := m.hosts[name]
		switch {
		case h.lost():
		case h.State() == health.Hung || h.Looping():
			return false, fmt.Sprintf("host %s failed before the update: %s", name, h.State())
		case !m.isReady(h):
			ready = false
		}
	}
	return ready, ""
}

// unavailable tells which host is not up, "" when all are that are not lost: it would count as hit by what it had not yet been
// offered. Work that is slow at this instant may be a busy machine's doing, of which the control tells.
func (m *machine) unavailable() string {
	for _, name := range m.names {
		if h := m.hosts[name]; !h.lost() && !h.State().Available() && h.State() != health.Degraded {
			return fmt.Sprintf("host %s was %s when the update was to be offered", name, h.State())
		}
	}
	return ""
}

// unready names hosts that keep the fleet from being ready, with the state that each is in.
func (m *machine) unready() string {
	const most = 4
	var hosts []string
	more := 0
	for _, name := range m.names {
		switch h := m.hosts[name]; {
		case h.lost() || m.isReady(h):
		case len(hosts) == most:
			more++
		case !h.up:
			hosts = append(hosts, fmt.Sprintf("%s is %s and has sent no beat", name, h.State()))
		default:
			hosts = append(hosts, fmt.Sprintf("%s is %s", name, h.State()))
		}
	}
	text := strings.Join(hosts, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// settled tells whether every valid host has taken the content that it is to end with, and has been steady since for long
// enough.
func (m *machine) settled() bool {
	for _, h := range m.hosts {
		took := h.Content == m.target || h.refused >= m.target || m.trial.Cell.Fleet.Architecture == "none"
		if h.Invalid == "" && (!took || h.State() != m.steady() || m.now-max(h.Since(), m.injected) < time.Duration(m.trial.Plan.StableFor)) {
			return false
		}
	}
	return true
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
func (m *machine) serve(o offer) []decision {
	m.target = o.version
	var decisions []decision
	for _, name := range m.names {
		if m.hosts[name].Invalid == "" {
			decisions = append(decisions, decision{action: fleet.Serve{Host: name, Version: o.version, Content: o.file}})
		}
	}
	return decisions
}

func (m *machine) progress() Progress {
	p := Progress{
		Trial: m.trial, Phase: m.phase, At: m.now, Panics: m.panics, States: map[health.State]int{}, LastNote: m.note,
	}
	for _, h := range m.hosts {
		p.States[h.State()]++
		if h.up {
			p.Up++
		}
		if h.Invalid != "" {
			p.Invalid++
		}
	}
	return p
}
