package main

import (
	"io"
	"math"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/fleetfall/fleetfall/orchestrator"
)

// quiet is how long a plain display says nothing of a trial that runs, by the wall clock: what is waited for should be
// seen to go on.
const quiet = 30 * time.Second

// apart is how far plain lines about hosts that come and go are from each other, by the fleet's clock.
const apart = 2 * time.Second

// maxNotes bounds the lines about single hosts that one trial prints.
const maxNotes = 30

// A display tells where a run stands: on a terminal a bar for each trial that is under way, with the state of its
// fleet, and one for all; plain lines elsewhere.
type display struct {
	out io.Writer // lines go above the bars
	log zerolog.Logger

	bars *mpb.Progress    // nil when plain
	all  *mpb.Bar         // of all trials, from the first one on
	each map[int]*mpb.Bar // of those under way, by number
	stop func()           // ends the lines of a plain display that come by themselves; nil before the first trial

	// One line after the other; taken before mu, which the bars' own goroutines take while lines are written.
	saying sync.Mutex
	mu     sync.Mutex
	standing
}

func newDisplay(w io.Writer, o *options) (*display, error) {
	d := &display{out: w, each: map[int]*mpb.Bar{}}
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
	d.standing = newStanding(trials, time.Now())
	d.mu.Unlock()
	if d.bars == nil {
		d.stop = d.sayOften()
		return
	}
	d.all = d.bars.AddBar(int64(len(trials)), mpb.BarPriority(math.MaxInt),
		mpb.PrependDecorators(decor.CountersNoUnit("%d/%d trials ")),
		mpb.AppendDecorators(d.says(d.times)))
}

// says is something that stands behind a bar, at any time.
func (d *display) says(what func(now time.Time) string) decor.Decorator {
	return decor.Any(func(decor.Statistics) string {
		d.mu.Lock()
		defer d.mu.Unlock()
		return " " + what(time.Now())
	})
}

// sayOften has a plain display say where trials stand when nothing else has been said of them for long, until it is
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
	var lines []string
	for _, t := range d.quietSince(now, quiet) {
		t.lastLine = now
		lines = append(lines, d.where(t, now))
	}
	d.mu.Unlock()
	for _, text := range lines {
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
	t := d.of(p, time.Now())
	lines := d.take(p, d.bars == nil, time.Now())
	expected := d.expected[p.Trial.Cell.ID]
	d.mu.Unlock()
	for _, text := range lines {
		d.line("%s", text)
	}
	if d.bars != nil {
		d.draw(t, p, expected)
	}
}

// draw brings the bars up to what was told of a trial.
func (d *display) draw(t *showing, p orchestrator.Progress, expected time.Duration) {
	bar := d.each[p.Trial.Number]
	switch {
	case p.Outcome == nil && bar == nil:
		bar = d.bars.AddBar(max(1, expected.Milliseconds()), mpb.BarPriority(p.Trial.Number),
			mpb.PrependDecorators(decor.Name(d.placed(t)+" ")),
			mpb.AppendDecorators(d.says(func(now time.Time) string { return d.status(t, now) })))
		d.each[p.Trial.Number] = bar
	case p.Outcome != nil && bar != nil:
		bar.Abort(true)
		delete(d.each, p.Trial.Number)
	}
	if p.Outcome == nil {
		// At the end of what was expected it is not over.
		bar.SetCurrent(max(0, min(p.At.Milliseconds(), expected.Milliseconds()-1)))
	} else if over(p) {
		d.all.Increment()
	}
}

// placed is place, for who does not hold mu.
func (d *display) placed(t *showing) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.place(t)
}

// close ends the display, wherever the run stands.
func (d *display) close() {
	if d.stop != nil {
		d.stop()
	}
	if d.bars == nil {
		return
	}
	for _, bar := range d.each {
		bar.Abort(true)
	}
	if d.all != nil && !d.all.Completed() {
		d.all.Abort(false)
	}
	d.bars.Wait()
}
