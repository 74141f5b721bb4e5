package measure

import (
	"maps"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/health"
	"github.com/fleetfall/fleetfall/results"
)

// A sample is one host in one trial. Times are relative to the injection.
type sample struct {
	detail results.HostDetail

	hit         bool          // was ever unavailable after the injection
	first       time.Duration // unavailability
	recovered   time.Duration // start of stable availability; only if hit and not censored
	end         time.Duration // of observation
	unavailable []health.Span // after the injection
	lost        time.Duration // of availability, in all
	protected   bool          // held protection at the injection
	gap         time.Duration // of protection, in all
	lostGuard   bool          // ever lost protection after the injection

	threats  [3]tally // before the injection, until the fleet had recovered, after
	refused  int      // content by the agent, after the injection
	workTime time.Duration
	work     int
	quiet    time.Duration // from here on in the state that it ended with; end if that is no steady one
	seen     []threat
}

type threat struct {
	at      time.Duration
	stopped bool
}

// A tally counts how many of n were so.
type tally struct{ yes, n int }

// header is what a trial's record says of it at first sight.
func header(t *results.TrialRecord) results.Trial {
	return results.Trial{
		Repeat: t.Repeat, Wave: t.Wave, Waves: t.Waves, Attempt: t.Attempt, Seed: t.Seed, Status: t.Status, Reason: t.Reason,
		Superseded: t.Superseded,
	}
}

// read turns a trial's record into samples, in the order of host names.
func (c *cell) read(t *results.TrialRecord) (results.Trial, []sample) {
	trial := header(t)
	if at, ok := t.Marks[results.MarkReady]; ok {
		trial.Ready = seconds(at)
	}
	injected, ok := t.Marks[results.MarkInjected]
	if ok {
		trial.End = seconds(t.End - injected)
		if at, ok := t.Marks[results.MarkReverted]; ok {
			trial.Reverted = seconds(at - injected)
		}
	} else {
		injected = t.End
	}
	hosts := map[string]*reader{}
	for _, h := range t.Hosts {
		hosts[h.Name] = &reader{Host: health.NewHost(h.Name, c.limits), injected: injected, sample: sample{
			detail: results.HostDetail{
				Host: h.Name, Node: h.Node, Repeat: t.Repeat, Wave: t.Wave, Panics: []results.Moment{}, AgentExits: []results.Moment{},
			},
		}}
	}
	for _, e := range t.Events {
		if h := hosts[e.Host]; h != nil {
			h.event(c, e)
		}
	}
	var samples []sample
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		h := hosts[name]
		h.sample.detail.Retried = h.Retried
		h.finish(t.End, time.Duration(c.plan.StableFor), c.steady())
		switch {
		case !t.Counts():
			h.sample.detail.Invalid = "the trial was " + t.Status
			if t.Reason != "" {
				h.sample.detail.Invalid += ": " + t.Reason
			}
		case h.Invalid != "":
			h.sample.detail.Invalid = h.Invalid
		}
		samples = append(samples, h.sample)
	}
	tallyThreats(samples)
	return trial, samples
}

func (c *cell) steady() health.State { return health.Steady(c.cell.Fleet.Architecture) }

// tallyThreats sorts the threats by whether they came before the injection, before the whole fleet had recovered, or after.
func tallyThreats(samples []sample) {
	var recovered time.Duration
	for _, s := range samples {
		if s.detail.Invalid == "" {
			recovered = max(recovered, s.quiet)
		}
	}
	for i := range samples {
		for _, x := range samples[i].seen {
			phase := 0
			switch {
			case x.at > recovered:
				phase = 2
			case x.at > 0:
				phase = 1
			}
			samples[i].threats[phase].n++
			if x.stopped {
				samples[i].threats[phase].yes++
			}
		}
	}
}

// A reader follows one host through its events.
type reader struct {
	*health.Host
	sample   sample
	injected time.Duration
	loops    int // boot loops before the injection
}

func (h *reader) event(c *cell, e fleet.Event) {
	at := e.At - h.injected
	before := h.BootLoops
	h.Observe(e)
	if at <= 0 {
		h.loops = h.BootLoops
		h.sample.protected = h.State() == health.Protected
	}
	d := &h.sample.detail
	switch w := e.What.(type) {
	case fleet.Booting:
		if at > 0 {
			d.Boots++
		}
	case fleet.Panic:
		d.Panics = append(d.Panics, results.Moment{At: at.Seconds(), Title: w.Title})
		c.cause(e.Host, at, w)
	case fleet.AgentExit:
		d.AgentExits = append(d.AgentExits, results.Moment{At: at.Seconds(), Title: exitTitle(w)})
	case fleet.ContentRefused:
		if at > 0 {
			h.sample.refused++
		}
	case fleet.Threat:
		if !w.Inherited { // else each copy of a template would count what happened once
			h.sample.seen = append(h.sample.seen, threat{at, w.Blocked || w.Reported})
		}
	case fleet.Beat:
		if at > 0 {
			h.sample.workTime += w.WorkTotal
			h.sample.work += w.WorkUnits
		}
	}
	if h.BootLoops > before && at > 0 {
		d.BootLoops++
	}
}

// finish closes the history at end and takes from it what the metrics rest on.
func (h *reader) finish(end, stableFor time.Duration, steady health.State) {
	h.Advance(end)
	s := &h.sample
	s.end = end - h.injected
	s.detail.Spans = []results.Span{}
	s.quiet = s.end
	for _, span := range h.Spans(end) {
		span.From -= h.injected
		span.To -= h.injected
		s.detail.Spans = append(s.detail.Spans, results.Span{State: string(span.State), From: span.From.Seconds(), To: span.To.Seconds()})
		if span.To == s.end && span.State == steady {
			s.quiet = max(span.From, 0)
		}
		if span.To <= 0 {
			continue
		}
		length := span.To - max(span.From, 0)
		if span.State != health.Protected && s.protected {
			s.gap += length
			s.lostGuard = true
		}
		if span.State.Available() {
			continue
		}
		if !s.hit {
			s.hit, s.first = true, max(span.From, 0)
		}
		s.lost += length
		s.unavailable = append(s.unavailable, health.Span{State: span.State, From: max(span.From, 0), To: span.To})
	}
	if !s.hit {
		return
	}
	s.detail.FirstUnavailable = seconds(s.first)
	if at, ok := stable(s.unavailable, s.end, stableFor); ok {
		s.recovered = at
		s.detail.Recovered = seconds(at)
	} else {
		s.detail.Censored = true
	}
}

// stable finds the first stretch without unavailability, after the first, that is at least as long as stableFor.
func stable(unavailable []health.Span, end, stableFor time.Duration) (start time.Duration, ok bool) {
	for i, u := range unavailable {
		next := end
		if i+1 < len(unavailable) {
			next = unavailable[i+1].From
		}
		if next > u.To && next-u.To >= stableFor {
			return u.To, true
		}
	}
	return 0, false
}

// cause counts a panic by its distinct cause.
func (c *cell) cause(host string, at time.Duration, p fleet.Panic) {
	key := p
	key.Excerpt, key.Source = "", ""
	x := c.causes[key]
	if x == nil {
		x = &cause{hosts: map[string]bool{}, Cause: results.Cause{
			Title: p.Title, Type: p.Type, Module: p.Module, Function: p.Function, Offset: p.Offset,
			Host: host, At: at.Seconds(), Excerpt: p.Excerpt,
		}}
		c.causes[key] = x
	}
	x.hosts[host] = true
	x.Count++
	x.Hosts = len(x.hosts)
}

// A cause is a results.Cause with the hosts that it has struck.
type cause struct {
	results.Cause
	hosts map[string]bool
}

func seconds(d time.Duration) *float64 {
	s := d.Seconds()
	return &s
}
