package main

import (
	"context"
	"time"
)

// work executes one unit of the workload every so often until ctx ends; none if every is 0. A unit that takes longer
// than that delays the next.
func work(ctx context.Context, every time.Duration, program string, t *tally) {
	if every <= 0 {
		return
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			executeWatched(program, patience, t.work)
		}
	}
}
