package wall

import (
	"testing"
	"time"
)

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
