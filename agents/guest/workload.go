package main

import (
	"context"
	"time"
)

// work executes one unit of the workload every so often until ctx ends; none if every is 0.
func work(ctx context.Context, every time.Duration, program string, t *tally) {
	repeat(ctx, every, func() { executeWatched(program, patience, t.work) })
}
