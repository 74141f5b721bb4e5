package qemu

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestIdle(t *testing.T) {
	const second = time.Second
	runs := Activity{state: "S", waiting: map[int]time.Duration{7: second, 8: 2 * second}}
	later := func(state string, waited time.Duration) Activity {
		return Activity{state: state, waiting: map[int]time.Duration{7: second + waited, 8: 2 * second, 9: 100 * second}}
	}
	for name, c := range map[string]struct {
		before, after Activity
		monitor       error
		want          string // "" when the silence is the host's own
	}{
		"it could run":                       {before: runs, after: later("R", second)},
		"it had little of a busy machine":    {before: runs, after: later("R", 8*second)},
		"nothing is known of its process":    {},
		"stopped at the first look":          {before: Activity{state: "T"}, after: later("S", 0), want: "state T"},
		"stopped at the second":              {before: runs, after: later("T", 0), want: "state T"},
		"held by a debugger":                 {before: runs, after: later("t", 0), want: "state t"},
		"a thread that got next to no CPU":   {before: runs, after: later("R", 9500*time.Millisecond), want: "waited for a CPU for 9.5s of 10s"},
		"its monitor does not answer":        {before: runs, after: later("S", 0), monitor: errors.New("its monitor does not answer"), want: "does not answer"},
		"its guest was paused":               {monitor: errors.New(`QEMU says of its guest: "paused"`), want: "paused"},
		"a thread of which was known before": {before: Activity{state: "S"}, after: later("S", 0)},
	} {
		t.Run(name, func(t *testing.T) {
			err := Idle(c.before, c.after, 10*second, c.monitor)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
