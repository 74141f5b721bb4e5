package main

import (
	"cmp"
	"fmt"
	"time"
)

// leastKnown and wellKnown are shares of a trial's expected time of the fleet's clock: from the one on the trial
// itself tells how long it will take where no other has, from the other on it tells so better than those before it.
const (
	leastKnown = 0.1
	wellKnown  = 0.25
)

// A pace is what is known of how fast a run gets on. Times are of the wall clock where nothing else is said, and of
// this call of the program alone.
type pace struct {
	spent    time.Duration // on trials that have ended
	elapsed  time.Duration // in the trial that runs
	ended    time.Duration // of the fleets' clocks, that the trials that have ended were expected to take
	at       time.Duration // of the fleet's clock, in the trial that runs
	expected time.Duration // of the fleet's clock, that it is expected to take, from 0 on
	later    time.Duration // of the fleets' clocks, that all trials that are still to come are expected to take
}

// trialLeft is about how long the trial that runs still takes. While the fleet's clock says too little, it is taken
// to pass as in the trials before. It is not known of the beginning of a first trial, nor of one that takes longer
// than was expected.
func (p pace) trialLeft() (left time.Duration, known bool) {
	share := ratio(p.at, p.expected)
	switch {
	case share >= 1:
		return 0, false
	case share >= wellKnown, share >= leastKnown && p.ended == 0:
		return scale(p.elapsed, (1-share)/share), true
	case p.ended > 0:
		left = max(0, scale(p.expected, ratio(p.spent, p.ended))-p.elapsed)
		return left, left > 0
	}
	return 0, false
}

// left is about how long the run still takes: the trials to come at the pace of those so far, this one with them.
func (p pace) left() (left time.Duration, known bool) {
	trial, known := p.trialLeft()
	took, of := p.spent, p.ended
	if known {
		took, of = took+p.elapsed+trial, of+p.expected
	}
	if of == 0 {
		return 0, false
	}
	return trial + scale(p.later, ratio(took, of)), known
}

// String says how long the trial and the run have taken, and what is left of them.
func (p pace) String() string {
	unknown, trial, all := "time left unknown yet", "", ""
	if p.expected > 0 && p.at >= p.expected {
		unknown, trial = "time left unknown", "longer than expected"
	} else if left, known := p.trialLeft(); known {
		trial = "about " + seconds(left) + " left"
	}
	if left, known := p.left(); known {
		all = "about " + seconds(left) + " left"
	} else if left > 0 {
		all = "more than " + seconds(left) + " left"
	}
	return fmt.Sprintf("%s so far, %s; in all %s, %s", seconds(p.elapsed), cmp.Or(trial, unknown), seconds(p.spent+p.elapsed), cmp.Or(all, unknown))
}

func ratio(a, b time.Duration) float64 {
	if b <= 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func scale(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }

// seconds is a time to the second: 42s, 1m5s.
func seconds(d time.Duration) string { return d.Round(time.Second).String() }
