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
		name         string
		boot         Boot
		atOnce, cpus int
		want         Deadlines
	}{
		{"nothing measured", Boot{}, 2, 2, Deadlines{20 * s, 60 * s}},
		{"a fast boot has the least", Boot{100 * ms, s, s}, 2, 2, Deadlines{20 * s, 60 * s}},
		{"a slow boot has ten times as long", Boot{3 * s, 20 * s, 20 * s}, 2, 2, Deadlines{30 * s, 200 * s}},
		{"fewer boots than CPUs", Boot{3 * s, 20 * s, 20 * s}, 1, 4, Deadlines{30 * s, 200 * s}},
		{"more boots than CPUs", Boot{3 * s, 20 * s, 20 * s}, 8, 2, Deadlines{120 * s, 800 * s}},
		{"boots that mostly wait do not stretch", Boot{3 * s, 20 * s, 5 * s}, 8, 2, Deadlines{30 * s, 200 * s}},
		{"boots that keep two CPUs busy do", Boot{3 * s, 20 * s, 40 * s}, 2, 2, Deadlines{60 * s, 400 * s}},
		{"processor time not known: one CPU", Boot{3 * s, 20 * s, 0}, 8, 2, Deadlines{120 * s, 800 * s}},
		{"CPUs not known", Boot{3 * s, 20 * s, 20 * s}, 2, 0, Deadlines{60 * s, 400 * s}},
		{"a clock that went backwards", Boot{-s, -s, -s}, 2, 2, Deadlines{20 * s, 60 * s}},
	} {
		if got := DeadlinesFor(c.boot, c.atOnce, c.cpus); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
