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

// A past is what trials that have ended tell. Times are of the wall clock where nothing else is said, and of this call
// of the program alone.
type past struct {
	spent time.Duration // on each of them, summed: those that were under way at the same time count each
	ended time.Duration // of the fleets' clocks, that they were expected to take
}

// A pace is what is known of how fast a trial gets on.
type pace struct {
	elapsed  time.Duration // in it
	at       time.Duration // of the fleet's clock
	expected time.Duration // of the fleet's clock, that it is expected to take, from 0 on
}

// left is about how long the trial still takes. While the fleet's clock says too little, it is taken to pass as in the
// trials before. It is not known of the beginning of a first trial, nor of one that takes longer than was expected.
func (p pace) left(before past) (left time.Duration, known bool) {
	share := ratio(p.at, p.expected)
	switch {
	case share >= 1:
		return 0, false
	case share >= wellKnown, share >= leastKnown && before.ended == 0:
		return scale(p.elapsed, (1-share)/share), true
	case before.ended > 0:
		left = max(0, scale(p.expected, ratio(before.spent, before.ended))-p.elapsed)
		return left, left > 0
	}
	return 0, false
}

// words say how long the trial has taken, and what is left of it.
func (p pace) words(before past) string {
	left := "time left unknown yet"
	if p.overdue() {
		left = "longer than expected"
	} else if about, known := p.left(before); known {
		left = "about " + seconds(about) + " left"
	}
	return seconds(p.elapsed) + " so far, " + left
}

// overdue tells whether it takes longer than expected.
func (p pace) overdue() bool { return p.expected > 0 && p.at >= p.expected }

// A runPace is what is known of how fast a run gets on.
type runPace struct {
	past
	elapsed  time.Duration // since the first trial began
	underWay []pace        // trials
	later    time.Duration // of the fleets' clocks, that all trials that are still to come are expected to take
	atOnce   int           // trials that are under way at a time, as long as any are to come
}

// left is about how long the run still takes: the trials to come at the pace of those so far, those under way with
// them, as many side by side as there are, and no less than the longest of those under way. It is no less than that
// either where something is not known of one of them.
func (r runPace) left() (left time.Duration, known bool) {
	took, of := r.spent, r.ended
	var sum, longest time.Duration
	known = len(r.underWay) > 0
	for _, p := range r.underWay {
		about, knownOfIt := p.left(r.past)
		if known = known && knownOfIt; knownOfIt {
			took, of = took+p.elapsed+about, of+p.expected
			sum, longest = sum+about, max(longest, about)
		}
	}
	if of == 0 {
		return 0, false
	}
	beside := len(r.underWay)
	if r.later > 0 {
		beside = r.atOnce
	}
	return max(longest, (sum+scale(r.later, ratio(took, of)))/time.Duration(max(1, beside))), known
}

// String says how long the run has taken, and what is left of it.
func (r runPace) String() string {
	unknown, all := "time left unknown yet", ""
	for _, p := range r.underWay {
		if p.overdue() {
			unknown = "time left unknown"
		}
	}
	if left, known := r.left(); known {
		all = "about " + seconds(left) + " left"
	} else if left > 0 {
		all = "more than " + seconds(left) + " left"
	}
	return fmt.Sprintf("in all %s, %s", seconds(r.elapsed), cmp.Or(all, unknown))
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
