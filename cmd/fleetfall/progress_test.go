package main

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	const s, m = time.Second, time.Minute
	for name, test := range map[string]struct {
		pace pace
		want string
	}{
		"nothing is known": {
			pace{elapsed: 3 * s, at: s, expected: 100 * s, later: 200 * s},
			"3s so far, time left unknown yet; in all 3s, time left unknown yet",
		},
		"the first trial tells": {
			pace{elapsed: 4 * s, at: 20 * s, expected: 100 * s, later: 200 * s}, // 16 s left, 20 s each
			"4s so far, about 16s left; in all 4s, about 56s left",
		},
		"the beginning of another goes by those before": {
			pace{spent: 30 * s, elapsed: 2 * s, ended: 100 * s, at: 0, expected: 100 * s, later: 100 * s},
			"2s so far, about 28s left; in all 32s, about 58s left",
		},
		"a slower one tells more of itself": {
			pace{spent: 30 * s, elapsed: m, ended: 100 * s, at: 50 * s, expected: 100 * s, later: 100 * s}, // a minute; 150 s for 200 s
			"1m0s so far, about 1m0s left; in all 1m30s, about 2m15s left",
		},
		"one that takes longer than those before": {
			pace{spent: 30 * s, elapsed: 31 * s, ended: 100 * s, at: s, expected: 100 * s, later: 100 * s},
			"31s so far, time left unknown yet; in all 1m1s, more than 30s left",
		},
		"one that takes longer than expected": {
			pace{spent: 30 * s, elapsed: 31 * s, ended: 100 * s, at: 101 * s, expected: 100 * s, later: 100 * s},
			"31s so far, longer than expected; in all 1m1s, more than 30s left",
		},
		"the only one takes longer than expected": {
			pace{elapsed: 31 * s, at: 101 * s, expected: 100 * s},
			"31s so far, longer than expected; in all 31s, time left unknown",
		},
		"the last one takes longer than expected": {
			pace{spent: 30 * s, elapsed: 31 * s, ended: 100 * s, at: 101 * s, expected: 100 * s},
			"31s so far, longer than expected; in all 1m1s, time left unknown",
		},
		"an outage of hours": {
			pace{elapsed: 90 * s, at: 45 * m, expected: 90 * m, later: 180 * m},
			"1m30s so far, about 1m30s left; in all 1m30s, about 7m30s left",
		},
		"nothing is expected": {
			pace{elapsed: s, at: s},
			"1s so far, time left unknown yet; in all 1s, time left unknown yet",
		},
	} {
		if got := test.pace.String(); got != test.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, test.want)
		}
	}
}
