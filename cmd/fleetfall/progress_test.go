package main

import (
	"strings"
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	const s, m = time.Second, time.Minute
	// alone is one trial after the other.
	alone := func(before past, present pace, later time.Duration) runPace {
		return runPace{past: before, elapsed: before.spent + present.elapsed, underWay: []pace{present}, later: later, atOnce: 1}
	}
	before := past{spent: 30 * s, ended: 100 * s}
	for name, test := range map[string]struct {
		pace runPace
		want string
	}{
		"nothing is known": {
			alone(past{}, pace{elapsed: 3 * s, at: s, expected: 100 * s}, 200*s),
			"3s so far, time left unknown yet; in all 3s, time left unknown yet",
		},
		"the first trial tells": {
			alone(past{}, pace{elapsed: 4 * s, at: 20 * s, expected: 100 * s}, 200*s), // 16 s left, 20 s each
			"4s so far, about 16s left; in all 4s, about 56s left",
		},
		"the beginning of another goes by those before": {
			alone(before, pace{elapsed: 2 * s, at: 0, expected: 100 * s}, 100*s),
			"2s so far, about 28s left; in all 32s, about 58s left",
		},
		"a slower one tells more of itself": {
			alone(before, pace{elapsed: m, at: 50 * s, expected: 100 * s}, 100*s), // a minute; 150 s for 200 s
			"1m0s so far, about 1m0s left; in all 1m30s, about 2m15s left",
		},
		"one that takes longer than those before": {
			alone(before, pace{elapsed: 31 * s, at: s, expected: 100 * s}, 100*s),
			"31s so far, time left unknown yet; in all 1m1s, more than 30s left",
		},
		"one that takes longer than expected": {
			alone(before, pace{elapsed: 31 * s, at: 101 * s, expected: 100 * s}, 100*s),
			"31s so far, longer than expected; in all 1m1s, more than 30s left",
		},
		"the only one takes longer than expected": {
			alone(past{}, pace{elapsed: 31 * s, at: 101 * s, expected: 100 * s}, 0),
			"31s so far, longer than expected; in all 31s, time left unknown",
		},
		"the last one takes longer than expected": {
			alone(before, pace{elapsed: 31 * s, at: 101 * s, expected: 100 * s}, 0),
			"31s so far, longer than expected; in all 1m1s, time left unknown",
		},
		"an outage of hours": {
			alone(past{}, pace{elapsed: 90 * s, at: 45 * m, expected: 90 * m}, 180*m),
			"1m30s so far, about 1m30s left; in all 1m30s, about 7m30s left",
		},
		"two side by side": { // 10 and 15 s left of 20 each; 40 s to come for two
			runPace{elapsed: 10 * s, underWay: []pace{
				{elapsed: 10 * s, at: 50 * s, expected: 100 * s}, {elapsed: 5 * s, at: 25 * s, expected: 100 * s},
			}, later: 200 * s, atOnce: 2},
			"10s so far, about 10s left; 5s so far, about 15s left; in all 10s, about 33s left",
		},
		"one takes longer than the others with all that is to come": {
			runPace{elapsed: 10 * s, underWay: []pace{
				{elapsed: 10 * s, at: 90 * s, expected: 100 * s}, {elapsed: 10 * s, at: 25 * s, expected: 100 * s},
			}, atOnce: 2},
			"10s so far, about 1s left; 10s so far, about 30s left; in all 10s, about 30s left",
		},
		"the last ones have the machine to themselves": { // nothing is to come: two share what is left, however many were
			runPace{past: past{spent: 80 * s, ended: 400 * s}, elapsed: 30 * s, underWay: []pace{
				{elapsed: 10 * s, at: 50 * s, expected: 100 * s}, {elapsed: 10 * s, at: 50 * s, expected: 100 * s},
			}, atOnce: 4},
			"10s so far, about 10s left; 10s so far, about 10s left; in all 30s, about 10s left",
		},
		"of one of two nothing is known": {
			runPace{past: before, elapsed: m, underWay: []pace{
				{elapsed: 15 * s, at: 50 * s, expected: 100 * s}, {elapsed: m, at: 101 * s, expected: 100 * s},
			}, atOnce: 2},
			"15s so far, about 15s left; 1m0s so far, longer than expected; in all 1m0s, more than 15s left",
		},
		"nothing is expected": {
			alone(past{}, pace{elapsed: s, at: s}, 0),
			"1s so far, time left unknown yet; in all 1s, time left unknown yet",
		},
	} {
		var words []string
		for _, p := range test.pace.underWay {
			words = append(words, p.words(test.pace.past))
		}
		if got := strings.Join(append(words, test.pace.String()), "; "); got != test.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, test.want)
		}
	}
}
