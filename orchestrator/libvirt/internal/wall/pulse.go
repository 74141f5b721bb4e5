package wall

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// A pulse shows that this process ran. Where it did not, because it was stopped or the machine was suspended, nothing
// was heard of any host meanwhile, and their silence tells nothing.
type pulse struct {
	most time.Duration // between two beats, before silence would be taken for a host's own

	mu   sync.Mutex
	last time.Duration
}

// newPulse is told how long a silent host counts as alive.
func newPulse(liveness time.Duration) *pulse { return &pulse{most: liveness / 2, last: sinceBoot()} }

// every is how often the pulse has to beat.
func (p *pulse) every() time.Duration { return max(p.most/8, time.Millisecond) }

// beat says that this process runs, and returns for how long it did not when that was too long.
func (p *pulse) beat(now time.Duration) (still time.Duration, stood bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	still = now - p.last
	p.last = now
	return still, still > p.most
}

// stoodStill is what is told then: of no host is it known what it did.
func stoodStill(d time.Duration) fleet.InfraFailed {
	return fleet.InfraFailed{
		Op:     "keep time",
		Reason: fmt.Sprintf("fleetfall, or this machine, stood still for %v, in which no host was heard", d.Round(100*time.Millisecond)),
	}
}

// sinceBoot is the time since the machine has booted, suspended time included.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0 // on no Linux that Go runs on
	}
	return time.Duration(t.Nano())
}
