package fleettest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// beside is how many fleets the suite has under way at a time.
const beside = 3

// sideBySide: hosts of fleets that are under way at the same time do what they do in a fleet alone, and when.
func (b Backend) sideBySide(t *testing.T) {
	var alone []fleet.Event
	tolerance := b.open(t, host("a", "none")).Caps().Tolerance
	for _, fleets := range []int{1, beside} {
		var all sync.WaitGroup
		lives, errs := make([][]fleet.Event, fleets), make([]error, fleets)
		for i := range fleets {
			r := b.open(t, host("a", "none"), host("b", "none"))
			all.Go(func() { lives[i], errs[i] = b.live(r.Fleet, "a", "b") })
		}
		all.Wait()
		for i, life := range lives {
			if errs[i] != nil {
				t.Fatalf("fleet %d of %d: %v", i+1, fleets, errs[i])
			}
			if alone == nil {
				alone = life
			}
			if told := difference(alone, life, tolerance); told != "" {
				t.Errorf("fleet %d of %d is not as one alone: %s", i+1, fleets, told)
			}
		}
	}
}

// live boots hosts, and returns all that happens until each has beaten three times.
func (b Backend) live(f fleet.Fleet, hosts ...string) (seen []fleet.Event, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), b.Patience)
	defer cancel()
	for _, h := range hosts {
		if err := f.Do(ctx, fleet.Boot{Host: h, Mode: fleet.Normal}); err != nil {
			return nil, err
		}
	}
	beats := map[string]int{}
	for _, h := range hosts {
		for beats[h] < 3 {
			e, err := f.Next(ctx)
			if err != nil {
				return seen, fmt.Errorf("waiting for host %s: %w", h, err)
			}
			if _, ok := e.What.(fleet.Beat); ok {
				beats[e.Host]++
			}
			seen = append(seen, e)
		}
	}
	return seen, nil
}

// difference says where two fleets differ in what happens, or by more than the tolerance in when; "" if nowhere.
func difference(a, b []fleet.Event, tolerance time.Duration) string {
	if len(a) != len(b) {
		return fmt.Sprintf("%d events, and %d", len(a), len(b))
	}
	for i := range a {
		if a[i].Host != b[i].Host || a[i].What.Kind() != b[i].What.Kind() || (a[i].At-b[i].At).Abs() > tolerance {
			return fmt.Sprintf("event %d is %s, and %s", i+1, a[i], b[i])
		}
	}
	return ""
}
