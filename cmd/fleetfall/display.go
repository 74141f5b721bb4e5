package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/health"
)

// quiet is how long a trial in which things change may go on without a plain line.
const quiet = 30 * time.Second

// maxNotes bounds the lines about single hosts that one trial prints.
const maxNotes = 30

// A display tells where a run stands: a bar with the state of the fleet on a terminal, plain lines elsewhere.
type display struct {
	out    io.Writer // lines go above the bar
	log    zerolog.Logger
	trials int // to be run; a second attempt is none of its own
	nth    int // of those, the present one
	place  string

	bars *mpb.Progress // nil when plain
	bar  *mpb.Bar      // from the first trial on

	mu       sync.Mutex // status is read by the bar's own goroutine
	status   string
	trial    int // whose phase, up and notes these are
	phase    string
	up       int
	notes    int
	lastLine time.Duration
}

func newDisplay(w io.Writer, o *options) (*display, error) {
	d := &display{out: w}
	t := terminalOf(w, o)
	if t.is {
		d.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(24), mpb.WithRefreshRate(150*time.Millisecond))
		d.out = d.bars
	}
	var err error
	d.log, err = newLog(d.out, t, o)
	return d, err
}

// begin is told how many trials are to be run.
func (d *display) begin(trials int) {
	d.trials = trials
	if d.bars == nil {
		return
	}
	d.bar = d.bars.AddBar(int64(trials),
		mpb.PrependDecorators(decor.CountersNoUnit("%d/%d trials ")),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
			d.mu.Lock()
			defer d.mu.Unlock()
			return " " + d.status
		})))
}

// step tells of a step before the first trial.
func (d *display) step(text string) { d.line("%s", text) }

func (d *display) line(format string, args ...any) {
	write(d.out, format+"\n", args...)
}

// watch is told of each change in a trial.
func (d *display) watch(p orchestrator.Progress) {
	name := trialName(p.Trial)
	if place := fmt.Sprint(p.Trial.Cell.ID, p.Trial.Repeat, p.Trial.Wave, p.Trial.Verifies); place != d.place {
		d.place = place
		d.nth++
	}
	d.mu.Lock()
	d.status = fmt.Sprintf("%s %s %s", name, p.Phase, summary(p))
	if p.Trial.Number != d.trial {
		d.trial, d.phase, d.up, d.notes, d.lastLine = p.Trial.Number, "", -1, 0, 0
	}
	newPhase, newUp := p.Phase != d.phase, p.Up != d.up
	due := p.At-d.lastLine >= 2*time.Second || p.Up == len(p.Trial.Hosts)
	d.phase = p.Phase
	print := newPhase || d.bars == nil && (newUp && due || p.At-d.lastLine >= quiet)
	if print {
		d.up, d.lastLine = p.Up, p.At
	}
	note := p.LastNote
	if note != "" {
		if d.notes++; d.notes == maxNotes {
			note = "more is in the journal"
		} else if d.notes > maxNotes {
			note = ""
		}
	}
	d.mu.Unlock()

	prefix := fmt.Sprintf("[%d/%d] %s %7.1fs", d.nth, d.trials, name, p.At.Seconds())
	if note != "" {
		d.line("%s  %s", prefix, note)
	}
	switch {
	case p.Outcome != nil:
		text := p.Outcome.Status
		if p.Outcome.Reason != "" {
			text += ": " + p.Outcome.Reason
		}
		d.line("%s  %s; %s", prefix, text, summary(p))
		again := p.Outcome.Status == orchestrator.Invalid && p.Trial.Attempt == 0
		if d.bar != nil && !again {
			d.bar.Increment()
		}
	case print:
		d.line("%s  %s; %s", prefix, p.Phase, summary(p))
	}
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
	if d.bars == nil {
		return
	}
	if d.bar != nil && !d.bar.Completed() {
		d.bar.Abort(false)
	}
	d.bars.Wait()
}
