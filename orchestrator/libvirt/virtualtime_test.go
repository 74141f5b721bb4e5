package libvirt

import (
	"testing"
	"time"
)

func TestInSecond(t *testing.T) {
	for _, want := range []time.Duration{
		0, time.Millisecond, 999 * time.Millisecond, 4 * time.Second, 4687 * time.Millisecond, 5123456 * time.Microsecond,
		90*time.Minute + 250*time.Millisecond, 1000*time.Hour + 1*time.Microsecond,
	} {
		ticks := uint32((int64(want/time.Second)*powerTimerRate + int64(want%time.Second)*powerTimerRate/int64(time.Second)) % (1 << powerTimerBits))
		got := inSecond(want.Truncate(time.Second), ticks)
		if got > want || want-got > time.Microsecond {
			t.Errorf("%v with %d ticks: %v", want, ticks, got)
		}
	}
	if got := inSecond(10*time.Second, 1); got != 10*time.Second {
		t.Errorf("a timer that is not in that second: %v", got)
	}
}
