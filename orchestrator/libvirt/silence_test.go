package libvirt

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestIdle(t *testing.T) {
	const second = time.Second
	runs := activity{state: "S", waiting: map[int]time.Duration{7: second, 8: 2 * second}}
	later := func(state string, waited time.Duration) activity {
		return activity{state: state, waiting: map[int]time.Duration{7: second + waited, 8: 2 * second, 9: 100 * second}}
	}
	for name, c := range map[string]struct {
		before, after activity
		monitor       error
		want          string // "" when the silence is the host's own
	}{
		"it could run":                       {before: runs, after: later("R", second)},
		"it had little of a busy machine":    {before: runs, after: later("R", 8*second)},
		"nothing is known of its process":    {},
		"stopped at the first look":          {before: activity{state: "T"}, after: later("S", 0), want: "state T"},
		"stopped at the second":              {before: runs, after: later("T", 0), want: "state T"},
		"held by a debugger":                 {before: runs, after: later("t", 0), want: "state t"},
		"a thread that got next to no CPU":   {before: runs, after: later("R", 9500*time.Millisecond), want: "waited for a CPU for 9.5s of 10s"},
		"its monitor does not answer":        {before: runs, after: later("S", 0), monitor: errUnanswered, want: "does not answer"},
		"its guest was paused":               {monitor: errors.New(`QEMU says of its guest: "paused"`), want: "paused"},
		"a thread of which was known before": {before: activity{state: "S"}, after: later("S", 0)},
	} {
		t.Run(name, func(t *testing.T) {
			err := idle(c.before, c.after, 10*second, c.monitor)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestPulse(t *testing.T) {
	p := newPulse(10 * time.Second)
	now := p.last
	for _, c := range []struct {
		after time.Duration
		stood bool
	}{{time.Second, false}, {5 * time.Second, false}, {5001 * time.Millisecond, true}, {time.Second, false}} {
		now += c.after
		if still, stood := p.beat(now); stood != c.stood || still != c.after {
			t.Errorf("after %v: %v, %v", c.after, still, stood)
		}
	}
}
