package admission

import (
	"testing"
	"time"
)

func TestBootsAtOnce(t *testing.T) {
	for cpus, want := range map[int]int{0: 1, 1: 1, 2: 2, 32: 32} {
		if got := BootsAtOnce(Machine{CPUs: cpus}); got != want {
			t.Errorf("%d CPUs: %d, want %d", cpus, got, want)
		}
	}
}

func TestDeadlinesFor(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for _, c := range []struct {
		name string
		boot Boot
		want Deadlines
	}{
		{"nothing measured", Boot{}, Deadlines{20 * s, 60 * s}},
		{"a fast boot has the least", Boot{100 * ms, s}, Deadlines{20 * s, 60 * s}},
		{"a slow boot has ten times as long", Boot{3 * s, 20 * s}, Deadlines{30 * s, 200 * s}},
		{"a clock that went backwards", Boot{-s, -s}, Deadlines{20 * s, 60 * s}},
	} {
		if got := DeadlinesFor(c.boot); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
