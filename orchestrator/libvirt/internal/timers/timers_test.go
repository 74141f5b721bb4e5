package timers

import (
	"slices"
	"sync"
	"testing"
	"time"
)

func TestTimersRunInOrder(t *testing.T) {
	timers := New()
	done := make(chan struct{})
	fired := make(chan int, 100)
	var want []int
	timers.After(time.Hour, func() { fired <- -1 })
	now := time.Now()
	for i := range 50 { // in pairs of which the second is due first, each at the time of half of all
		timers.at(now.Add(-time.Duration(i%2)), func() { fired <- i })
	}
	var runner sync.WaitGroup
	runner.Go(func() { timers.Run(done) })
	for i := range 50 {
		want = append(want, i)
	}
	slices.SortStableFunc(want, func(a, b int) int { return b%2 - a%2 })
	var got []int
	for range 50 {
		got = append(got, <-fired)
	}
	// One that is asked for while it waits for the next wakes it.
	timers.After(0, func() { fired <- 50 })
	want, got = append(want, 50), append(got, <-fired)
	close(done)
	runner.Wait()
	if !slices.Equal(got, want) || len(fired) > 0 {
		t.Errorf("fired %v, want %v", got, want)
	}
}
