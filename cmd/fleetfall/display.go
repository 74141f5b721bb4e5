package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/rs/zerolog"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/health"
	"github.com/fleetfall/fleetfall/scenarios"
)

// quiet is how long a plain display says nothing while a trial runs, by the wall clock: what is waited for should be
// seen to go on.
const quiet = 30 * time.Second

// apart is how far plain lines about hosts that come and go are from each other, by the fleet's clock.
const apart = 2 * time.Second

// maxNotes bounds the lines about single hosts that one trial prints.
const maxNotes = 30

// A display tells where a run stands: a bar with the state of the fleet on a terminal, plain lines elsewhere.
type display struct {
	out io.Writer // lines go above the bar
	log zerolog.Logger

	bars *mpb.Progress // nil when plain
	bar  *mpb.Bar      // from the first trial on
	stop func()        // ends the lines of a plain display that come by themselves; nil before the first trial

	saying sync.Mutex // one line after the other; taken before mu, which the bar's own goroutine takes while lines are written
	mu     sync.Mutex
	standing
}

// A standing is where the run stands.
type standing struct {
	trials   []orchestrator.Trial     // to be run; a second attempt is none of its own
	expected map[string]time.Duration // of the fleet's clock that a trial takes, by its cell's ID
	nth      int                      // of those trials, the present one, from 1
	place    string                   // of the present one
	began    time.Time                // the present one, its attempts together: when the one before had ended
	spent    time.Duration            // on those that have ended
	ended    time.Duration            // that those were expected to take
	present  orchestrator.Progress    // what was told last
	running  bool                     // a trial runs, present is of it

	// Of the present attempt:
	number   int
	phase    string
	up       int
	notes    int
	lastAt   time.Duration // of the fleet's clock, when the last line about hosts was said
	lastLine time.Time
}

func newDisplay(w io.Writer, o *options) (*display, error) {
	d := &display{out: w}
	t := terminalOf(w, o)
	if out, ok := w.(stdio); ok && t.is {
		d.bars = mpb.New(mpb.WithOutput(out.file), // which it asks how wide it is
			mpb.WithWidth(24), mpb.WithRefreshRate(150*time.Millisecond))
		d.out = d.bars
	}
	var err error
	d.log, err = newLog(d.out, t, o)
	return d, err
}

// begin is told which trials are to be run.
func (d *display) begin(trials []orchestrator.Trial) {
	d.mu.Lock()
	d.trials, d.began, d.expected = trials, time.Now(), map[string]time.Duration{}
	if len(trials) > 0 {
		for _, c := range trials[0].Plan.Estimate(scenarios.EmulatedVMs()).Cells {
			d.expected[c.ID] = time.Duration(c.Duration)
		}
	}
	d.mu.Unlock()
	if d.bars == nil {
		d.stop = d.sayOften()
		return
	}
	d.bar = d.bars.AddBar(int64(len(trials)),
		mpb.PrependDecorators(decor.CountersNoUnit("%d/%d trials ")),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
			d.mu.Lock()
			defer d.mu.Unlock()
			return " " + d.status()
		})),
		mpb.BarExtender(mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			_, err := fmt.Fprintln(w, runewidth.Truncate("  "+d.times(time.Now()), s.AvailableWidth, "…"))
			return err
		}), false))
}

// sayOften has a plain display say where the trial stands when nothing else has been said for long, until it is
// stopped.
func (d *display) sayOften() (stop func()) {
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		look := time.NewTicker(quiet / 30)
		defer look.Stop()
		for {
			select {
			case <-look.C:
				d.sayIfQuiet(time.Now())
			case <-done:
				return
			}
		}
	})
	return func() { close(done); ended.Wait() }
}

func (d *display) sayIfQuiet(now time.Time) {
	d.saying.Lock()
	defer d.saying.Unlock()
	d.mu.Lock()
	due := d.running && now.Sub(d.lastLine) >= quiet
	text := ""
	if due {
		d.lastLine = now
		text = d.where(d.present, now)
	}
	d.mu.Unlock()
	if due {
		d.line("%s", text)
	}
}

// step tells of a step before the first trial.
func (d *display) step(text string) { d.line("%s", text) }

func (d *display) line(format string, args ...any) {
	write(d.out, format+"\n", args...)
}

// watch is told of each change in a trial, and of each second of its clock.
func (d *display) watch(p orchestrator.Progress) {
	d.saying.Lock()
	defer d.saying.Unlock()
	d.mu.Lock()
	lines := d.take(p, d.bars == nil, time.Now())
	d.mu.Unlock()
	for _, text := range lines {
		d.line("%s", text)
	}
	if d.bar != nil && over(p) {
		d.bar.Increment()
	}
}

// over tells whether a trial has come to an end after which it is not run again.
func over(p orchestrator.Progress) bool {
	return p.Outcome != nil && p.Outcome.Status != orchestrator.Interrupted && (p.Outcome.Status != orchestrator.Invalid || p.Trial.Attempt != 0)
}

// take brings the standing up to what was told, and returns what is to be said of it: of a plain display more, which
// has no bar that tells of hosts.
func (s *standing) take(p orchestrator.Progress, plain bool, now time.Time) (lines []string) {
	if place := fmt.Sprint(p.Trial.Cell.ID, p.Trial.Repeat, p.Trial.Wave, p.Trial.Verifies); place != s.place {
		s.place = place
		s.nth++
	}
	if p.Trial.Number != s.number {
		s.number, s.phase, s.up, s.notes, s.lastAt, s.lastLine = p.Trial.Number, "", -1, 0, 0, now
	}
	s.present, s.running = p, p.Outcome == nil
	newPhase, newUp := p.Phase != s.phase, p.Up != s.up
	due := p.At-s.lastAt >= apart || p.Up == len(p.Trial.Hosts)
	s.phase = p.Phase

	prefix := s.prefix(p)
	if note := s.note(p.LastNote); note != "" {
		lines = append(lines, prefix+"  "+note)
	}
	switch {
	case p.Outcome != nil:
		text := p.Outcome.Status
		if p.Outcome.Reason != "" {
			text += ": " + p.Outcome.Reason
		}
		lines = append(lines, fmt.Sprintf("%s  %s; %s (%s)", prefix, text, summary(p), s.took(p, now)))
	case newPhase || plain && newUp && due:
		s.up, s.lastAt, s.lastLine = p.Up, p.At, now
		lines = append(lines, s.where(p, now))
	}
	return lines
}

// took ends the trial, unless it is to be run again, and says how long it has taken.
func (s *standing) took(p orchestrator.Progress, now time.Time) string {
	elapsed := now.Sub(s.began)
	if !over(p) {
		return seconds(elapsed) + " so far"
	}
	s.began = now
	s.spent += elapsed
	s.ended += s.expected[p.Trial.Cell.ID]
	return "took " + seconds(elapsed)
}

// note is the newest thing worth a line of a trial, as far as it has not had too many.
func (s *standing) note(text string) string {
	if text == "" {
		return ""
	}
	switch s.notes++; {
	case s.notes == maxNotes:
		return "more is in the journal"
	case s.notes > maxNotes:
		return ""
	}
	return text
}

// prefix says which trial it is, and how late by the fleet's clock.
func (s *standing) prefix(p orchestrator.Progress) string {
	return fmt.Sprintf("[%d/%d] %s %7.1fs", s.nth, len(s.trials), trialName(p.Trial), p.At.Seconds())
}

// where is a line about the fleet, with the times.
func (s *standing) where(p orchestrator.Progress, now time.Time) string {
	return fmt.Sprintf("%s  %s; %s (%v)", s.prefix(p), p.Phase, summary(p), s.pace(now))
}

// status is what stands behind the bar.
func (s *standing) status() string {
	if s.nth == 0 {
		return ""
	}
	return fmt.Sprintf("%s %s %s", trialName(s.present.Trial), s.present.Phase, summary(s.present))
}

// times stand below the bar.
func (s *standing) times(now time.Time) string {
	if s.nth == len(s.trials) && !s.running {
		return "in all " + seconds(s.spent+now.Sub(s.began))
	}
	return fmt.Sprintf("at %.1fs of the fleet's clock, %v", s.present.At.Seconds(), s.pace(now))
}

// pace is how fast the run gets on.
func (s *standing) pace(now time.Time) pace {
	p := pace{spent: s.spent, ended: s.ended, elapsed: now.Sub(s.began)}
	if s.running {
		p.at, p.expected = s.present.At, s.expected[s.present.Trial.Cell.ID]
	}
	for _, t := range s.trials[min(s.nth, len(s.trials)):] {
		p.later += s.expected[t.Cell.ID]
	}
	return p
}

// trialName is the cell's, with the wave and the attempt where there is more than one, and whether it is the second run of a
// verification.
func trialName(t orchestrator.Trial) string {
	name := t.Cell.ID
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

// close ends the display, wherever the run stands.
func (d *display) close() {
	if d.stop != nil {
		d.stop()
	}
	if d.bars == nil {
		return
	}
	if d.bar != nil && !d.bar.Completed() {
		d.bar.Abort(false)
	}
	d.bars.Wait()
}
