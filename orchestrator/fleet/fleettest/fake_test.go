package fleettest_test

import (
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/fleet/fleettest"
)

func TestFakeConforms(t *testing.T) {
	fleettest.Conform(t, fleettest.Backend{
		New: func(t *testing.T, specs []fleet.HostSpec) fleet.Fleet {
			return fleettest.NewFake(specs, fleettest.FakeOptions{Deadly: []uint64{2}})
		},
		Content:  func(t *testing.T, version uint64, deadly bool) []byte { return nil },
		Shipped:  1,
		Patience: time.Minute,
	})
}
