package main

import (
	"testing"
	"time"
)

func TestNextBackOff(t *testing.T) {
	const s = time.Second
	for _, c := range []struct{ last, up, want time.Duration }{
		{0, 0, s},
		{1 * s, 0, 2 * s},
		{2 * s, 119 * s, 4 * s},
		{32 * s, 0, 60 * s},
		{60 * s, 0, 60 * s},
		{60 * s, 120 * s, s},
	} {
		if got := nextBackOff(c.last, c.up); got != c.want {
			t.Errorf("after a wait of %s and %s up: %s, want %s", c.last, c.up, got, c.want)
		}
	}
}

func TestClocks(t *testing.T) {
	tsc, up := rdtsc(), uptime()
	if tsc2, up2 := rdtsc(), uptime(); tsc == 0 || tsc2 <= tsc || up <= 0 || up2 < up {
		t.Errorf("TSC %d then %d, uptime %s then %s", tsc, tsc2, up, up2)
	}
}
