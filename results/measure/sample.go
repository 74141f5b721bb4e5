package measure

import (
	"maps"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/health"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/stats"
)

// A sample is one host in one trial. Times are relative to the injection.
type sample struct {
	detail results.HostDetail

	unfinished bool // the trial was interrupted

	hit         bool          // was ever unavailable after the injection
	first       time.Duration // unavailability
	recovered   time.Duration // start of the first stable availability; only if hit and not censored
	relapsed    bool          // was unavailable again after that
	out         bool          // was unavailable when observation ended
	end         time.Duration // of observation
	unavailable []health.Span // after the injection
	lost        time.Duration // of availability, in all
	gap         time.Duration // of protection, in all
	lostGuard   bool          // was ever without protection after the injection
	bare        bool          // was without it when observation ended

	quiet     time.Duration // from here on in the state that it ended with; end if that is no steady one
	seen      []threat
	sightings map[string]*sighting // of seen, by kind; see tallyThreats
	hangs     int                  // after the injection
	refused   int                  // content by the agent, after the injection
	served    uint64               // version of the content that it was served last; 0 for none
	stranded  bool                 // ended without that
	toll      toll
	panics    []panicked // after the injection
}

// A tally counts how many of n were so.
type tally struct{ yes, n int }

func (t *tally) add(is bool) {
	t.n++
	if is {
		t.yes++
	}
}

// trial is the share as what a repeat comes to; undefined when none was counted.
func (t tally) trial() stats.Trial {
	if t.n == 0 {
		return stats.Trial{Undefined: true}
	}
	return stats.Trial{Value: float64(t.yes) / float64(t.n)}
}

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
	_, reverted := t.Marks[results.MarkReverted]
	served := lastServed(t)
	hosts := map[string]*reader{}
	for _, h := range t.Hosts {
		hosts[h.Name] = &reader{
			Host: health.NewHost(c.limits), steady: health.Steady(h.Architecture), injected: injected, beat: h.Tempo.Beat,
			fellAt: map[time.Duration]time.Duration{},
			sample: newSample(h.Name, h.Node, t.Repeat, t.Wave),
		}
	}
	for _, e := range t.Events {
		if h := hosts[e.Host]; h != nil {
			h.event(e)
		}
	}
	var samples []sample
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		h := hosts[name]
		h.sample.detail.Retried = h.Retried
		h.sample.unfinished = t.Status == results.StatusInterrupted
		h.finish(t.End, time.Duration(c.plan.StableFor))
		h.sample.served = served[name]
		h.sample.stranded = h.Content != served[name] && (reverted || h.refused < served[name])
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

// steady is the state of the cell's hosts that have no trouble.
func (c *cell) steady() health.State { return health.Steady(c.cell.Fleet.Architecture) }

// A reader follows one host through its events.
type reader struct {
	*health.Host
	steady   health.State // in which this host has no trouble
	sample   sample
	injected time.Duration
	beat     time.Duration                   // between two beats of this host, as its guest was told
	fellAt   map[time.Duration]time.Duration // of a hang that was found at a time, the host's last sign of life
	refused  uint64                          // the newest content version that its agent would not load
	lastBeat time.Duration                   // of this boot, on the fleet's clock; 0 when there was none
}

func newSample(host, node string, repeat, wave int) sample {
	return sample{detail: results.HostDetail{
		Host: host, Node: node, Repeat: repeat, Wave: wave, Panics: []results.Moment{}, AgentExits: []results.Moment{},
	}}
}

func (h *reader) event(e fleet.Event) {
	at := e.At - h.injected
	loops, retried := h.BootLoops, h.Retried
	h.silences(h.Observe(e), e.What)
	d := &h.sample.detail
	if h.Retried > retried { // what it did in an attempt that the testbed failed is in no figure
		h.sample = newSample(d.Host, d.Node, d.Repeat, d.Wave)
		h.refused = 0
	}
	switch w := e.What.(type) {
	case fleet.Booting:
		h.lastBeat = 0
		if at > 0 {
			d.Boots++
		}
	case fleet.Panic:
		d.Panics = append(d.Panics, results.Moment{At: at.Seconds(), Title: w.Title})
		if at > 0 {
			h.sample.panics = append(h.sample.panics, panicked{at: at, Panic: w})
		}
	case fleet.Dumped: // it may be told after the injection of a panic before
		if n := len(h.sample.panics); n > 0 {
			h.sample.panics[n-1].dump = w.File
		}
	case fleet.AgentExit:
		d.AgentExits = append(d.AgentExits, results.Moment{At: at.Seconds(), Title: exitTitle(w)})
	case fleet.ContentRefused:
		h.refused = max(h.refused, w.Version)
		if at > 0 {
			h.sample.refused++
		}
	case fleet.Threat:
		if !w.Inherited { // else each copy of a template would count what happened once
			h.sample.seen = append(h.sample.seen, threat{at, w})
		}
	case fleet.Beat:
		var since time.Duration
		if h.lastBeat > 0 {
			since = e.At - h.lastBeat
		}
		h.lastBeat = e.At
		h.sample.toll.add(w, since, at > 0)
	}
	if h.BootLoops > loops && at > 0 {
		d.BootLoops++
	}
}

// silences notes when a host that was found hung had given its last sign of life, and counts the hangs whose first missing
// sign was due after the injection. A host that gave no sign in this boot hangs from when that is known on: before, it was
// down.
func (h *reader) silences(changes []health.Change, what fleet.Happening) {
	for _, c := range changes {
		if c.To != health.Hung {
			continue
		}
		missing := c.At
		if _, failed := what.(fleet.BootFailed); !failed {
			h.fellAt[c.At] = c.Since
			missing = c.Since + h.beat
		}
		if missing > h.injected {
			h.sample.hangs++
		}
	}
}

// spans is the history up to end with each hang dated from the host's last sign of life. A policy learns of it only when
// the liveness window has ended; its users knew at once.
func (h *reader) spans(end time.Duration) []health.Span {
	var out []health.Span
	for _, span := range h.Spans(end) {
		if since, ok := h.fellAt[span.From]; ok && span.State == health.Hung && len(out) > 0 {
			last := &out[len(out)-1]
			span.From = max(since, last.From)
			last.To = span.From
			if last.From == last.To {
				out = out[:len(out)-1]
			}
		}
		if n := len(out); n > 0 && out[n-1].State == span.State {
			out[n-1].To = span.To
			continue
		}
		out = append(out, span)
	}
	return out
}

// finish closes the history at end and takes from it what the metrics rest on.
func (h *reader) finish(end, stableFor time.Duration) {
	h.silences(h.Advance(end), nil)
	s := &h.sample
	s.end = end - h.injected
	s.detail.Spans = []results.Span{}
	s.quiet = s.end
	for _, span := range h.spans(end) {
		span.From -= h.injected
		span.To -= h.injected
		s.detail.Spans = append(s.detail.Spans, results.Span{State: string(span.State), From: span.From.Seconds(), To: span.To.Seconds()})
		if span.To == s.end && span.State == h.steady {
			s.quiet = max(span.From, 0)
		}
		if span.To <= 0 {
			continue
		}
		length := span.To - max(span.From, 0)
		last := span.To == s.end
		if span.State != health.Protected {
			s.gap += length
			s.lostGuard, s.bare = true, last
		}
		if span.State.Available() {
			continue
		}
		s.out = last
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
		s.relapsed = s.unavailable[len(s.unavailable)-1].From >= at
		s.detail.Recovered = seconds(at)
	} else {
		s.detail.Censored = true
	}
}

// lastServed is the version of the content that each host was served last.
func lastServed(t *results.TrialRecord) map[string]uint64 {
	served := map[string]uint64{}
	for _, d := range t.Decisions {
		if a, ok := d.Action.(fleet.Serve); ok {
			served[a.Host] = a.Version
		}
	}
	return served
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

func seconds(d time.Duration) *float64 {
	s := d.Seconds()
	return &s
}
