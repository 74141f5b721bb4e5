package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/health"
	"github.com/fleetfall/fleetfall/scenarios"
)

// A place is what a trial fills; a second attempt fills the same.
type place struct {
	cell         string
	repeat, wave int
	again        bool // it is the second run of a verification
}

func placeOf(t orchestrator.Trial) place { return place{t.Cell.ID, t.Repeat, t.Wave, t.Verifies != 0} }

// A standing is where a run stands.
type standing struct {
	trials   []orchestrator.Trial     // to be run; a second attempt is none of its own
	nth      map[place]int            // of those trials, from 1
	expected map[string]time.Duration // of the fleet's clock that a trial takes, by its cell's ID
	began    time.Time                // when the first of them was to begin
	left     []time.Time              // ends of trials after which another may begin, the earliest first
	last     time.Time                // the latest of them
	most     int                      // trials that were under way at a time
	underWay []*showing               // in the order in which they began
	over     int                      // trials that need not be run any more
	toCome   time.Duration            // of the fleets' clocks, that those are expected to take that are neither over nor under way
	past
}

// A showing is a trial that is under way.
type showing struct {
	nth     int
	began   time.Time             // when the one before it had ended
	present orchestrator.Progress // what was told last

	phase    string
	up       int
	notes    int
	lastAt   time.Duration // of the fleet's clock, when the last line about hosts was said
	lastLine time.Time
}

// newStanding is that before the first of these trials.
func newStanding(trials []orchestrator.Trial, now time.Time) standing {
	s := standing{trials: trials, nth: map[place]int{}, expected: map[string]time.Duration{}, began: now, last: now}
	if len(trials) > 0 {
		for _, c := range trials[0].Plan.Estimate(scenarios.EmulatedVMs()).Cells {
			s.expected[c.ID] = time.Duration(c.Duration)
		}
	}
	for i, t := range trials {
		p := placeOf(t)
		if s.nth[p] != 0 { // it is verified
			p.again = true
		}
		s.nth[p] = i + 1
		s.toCome += s.expected[t.Cell.ID]
	}
	return s
}

// over tells whether a trial has come to an end after which it is not run again.
func over(p orchestrator.Progress) bool {
	return p.Outcome != nil && p.Outcome.Status != orchestrator.Interrupted && (p.Outcome.Status != orchestrator.Invalid || p.Trial.Attempt != 0)
}

// take brings the standing up to what was told, and returns what is to be said of it: of a plain display more, which
// has no bars that tell of hosts.
func (s *standing) take(p orchestrator.Progress, plain bool, now time.Time) (lines []string) {
	t := s.of(p, now)
	t.present = p
	newPhase, newUp := p.Phase != t.phase, p.Up != t.up
	due := p.At-t.lastAt >= apart || p.Up == len(p.Trial.Hosts)
	t.phase = p.Phase

	prefix := s.prefix(t)
	if note := t.note(p.LastNote); note != "" {
		lines = append(lines, prefix+"  "+note)
	}
	switch {
	case p.Outcome != nil:
		text := p.Outcome.Status
		if p.Outcome.Reason != "" {
			text += ": " + p.Outcome.Reason
		}
		lines = append(lines, fmt.Sprintf("%s  %s; %s (%s)", prefix, text, summary(p), s.end(t, now)))
	case newPhase || plain && newUp && due:
		t.up, t.lastAt, t.lastLine = p.Up, p.At, now
		lines = append(lines, s.where(t, now))
	}
	return lines
}

// of is the trial that something was told of, which may begin with that.
func (s *standing) of(p orchestrator.Progress, now time.Time) *showing {
	i := slices.IndexFunc(s.underWay, func(t *showing) bool { return t.present.Trial.Number == p.Trial.Number })
	if i >= 0 {
		return s.underWay[i]
	}
	t := &showing{nth: s.nth[placeOf(p.Trial)], began: s.began, present: p, up: -1, lastLine: now}
	if len(s.left) > 0 {
		t.began, s.left = s.left[0], s.left[1:]
	}
	s.underWay = append(s.underWay, t)
	s.most = max(s.most, len(s.underWay))
	s.toCome -= s.expected[p.Trial.Cell.ID]
	return t
}

// end ends a trial, unless it is to be run again, and says how long it has taken.
func (s *standing) end(t *showing, now time.Time) string {
	s.underWay = slices.DeleteFunc(s.underWay, func(other *showing) bool { return other == t })
	s.left, s.last = append(s.left, now), now
	elapsed, expected := now.Sub(t.began), s.expected[t.present.Trial.Cell.ID]
	if !over(t.present) {
		s.toCome += expected
		return seconds(elapsed) + " so far"
	}
	s.over++
	s.spent += elapsed
	s.ended += expected
	return "took " + seconds(elapsed)
}

// quietSince are the trials of which nothing has been said for as long.
func (s *standing) quietSince(now time.Time, quiet time.Duration) (all []*showing) {
	for _, t := range s.underWay {
		if now.Sub(t.lastLine) >= quiet {
			all = append(all, t)
		}
	}
	return all
}

// note is the newest thing worth a line of a trial, as far as it has not had too many.
func (t *showing) note(text string) string {
	if text == "" {
		return ""
	}
	switch t.notes++; {
	case t.notes == maxNotes:
		return "more is in the journal"
	case t.notes > maxNotes:
		return ""
	}
	return text
}

// place says which trial it is: "[3/15] kernel/u/r/t repeat 2".
func (s *standing) place(t *showing) string {
	return fmt.Sprintf("[%d/%d] %s", t.nth, len(s.trials), trialName(t.present.Trial))
}

// prefix says which trial it is, and how late by the fleet's clock.
func (s *standing) prefix(t *showing) string {
	return fmt.Sprintf("%s %7.1fs", s.place(t), t.present.At.Seconds())
}

// where is a line about the fleet, with the times.
func (s *standing) where(t *showing, now time.Time) string {
	return fmt.Sprintf("%s  %s; %s (%s; %v)", s.prefix(t), t.present.Phase, summary(t.present), s.pace(t, now).words(s.past), s.runPace(now))
}

// status is what stands behind a trial's bar.
func (s *standing) status(t *showing, now time.Time) string {
	return fmt.Sprintf("%.1fs of the fleet's clock, %s; %s %s", t.present.At.Seconds(), s.pace(t, now).words(s.past), t.present.Phase, summary(t.present))
}

// times stand behind the bar of all trials.
func (s *standing) times(now time.Time) string {
	if s.over == len(s.trials) {
		return "in all " + seconds(s.last.Sub(s.began))
	}
	return s.runPace(now).String()
}

// pace is how fast a trial gets on.
func (s *standing) pace(t *showing, now time.Time) pace {
	return pace{elapsed: now.Sub(t.began), at: t.present.At, expected: s.expected[t.present.Trial.Cell.ID]}
}

// runPace is how fast the run gets on.
func (s *standing) runPace(now time.Time) runPace {
	r := runPace{past: s.past, elapsed: now.Sub(s.began), later: s.toCome, atOnce: s.most}
	for _, t := range s.underWay {
		r.underWay = append(r.underWay, s.pace(t, now))
	}
	return r
}

// trialName is the cell's, with the repeat, the wave and the attempt where there is more than one, and whether it is the
// second run of a verification.
func trialName(t orchestrator.Trial) string {
	name := t.Cell.ID
	if t.Plan != nil && t.Plan.Repeat > 1 {
		name += fmt.Sprintf(" repeat %d", t.Repeat+1)
	}
	if t.Wave > 0 {
		name += fmt.Sprintf(" wave %d/%d", t.Wave, t.Waves)
	}
	if t.Verifies > 0 {
		name += " again, under load"
	}
	if t.Attempt > 0 {
		name += fmt.Sprintf(" attempt %d", t.Attempt)
	}
	return name
}

// summary is the state of the fleet in a few words.
func summary(p orchestrator.Progress) string {
	var parts []string
	if p.Phase == "booting" {
		parts = append(parts, fmt.Sprintf("%d of %d hosts have booted", p.Up, len(p.Trial.Hosts)))
	}
	for _, s := range health.States() {
		if n := p.States[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	if p.Panics > 0 {
		parts = append(parts, fmt.Sprintf("%d panics", p.Panics))
	}
	if p.Invalid > 0 {
		parts = append(parts, fmt.Sprintf("%d invalid", p.Invalid))
	}
	return strings.Join(parts, ", ")
}
