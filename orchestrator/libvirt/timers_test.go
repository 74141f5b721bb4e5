package libvirt

import (
	"slices"
	"sync"
	"testing"
	"time"
)

func TestTimersRunInOrder(t *testing.T) {
	timers := newTimers()
	done := make(chan struct{})
	var runner sync.WaitGroup
	runner.Go(func() { timers.run(done) })
	fired := make(chan int, 100)
	var want []int
	timers.after(time.Hour, func() { fired <- -1 })
	for i := range 50 { // half of them asked for late, though due early
		timers.after(100*time.Millisecond-time.Duration(i%2)*50*time.Millisecond, func() { fired <- i })
	}
	for i := range 50 {
		want = append(want, i)
	}
	slices.SortStableFunc(want, func(a, b int) int { return b%2 - a%2 })
	var got []int
	for range 50 {
		got = append(got, <-fired)
	}
	close(done)
	runner.Wait()
	if !slices.Equal(got, want) || len(fired) > 0 {
		t.Errorf("fired %v, want %v", got, want)
	}
}
