package guestlink

import (
	"crypto/rand"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/draw"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// A Self is what a guest is told of itself when it asks who it is.
type Self struct {
	Now     time.Time
	Entropy []byte // for the kernel
	protocol.Start
}

// Start draws how a boot of a host begins: the host with this number in a trial with this seed, in its n-th boot. The
// pages that it takes are the same in all of its boots, so that the memory that it has left can be compared.
func Start(tempo fleet.Tempo, trial uint64, host uint32, n int) protocol.Start {
	phase := draw.Host(trial, draw.Phase, host, n)
	within := func(every time.Duration) time.Duration {
		if every <= 0 {
			return 0
		}
		return time.Duration(phase.Int64N(int64(every)))
	}
	return protocol.Start{
		BeatPhase: within(tempo.Beat), PollPhase: within(tempo.Poll), WorkPhase: within(tempo.Work),
		Layout: draw.Host(trial, draw.Layout, host, 0).IntN(protocol.MaxLayout),
	}
}

// Entropy is this machine's randomness.
func Entropy() []byte {
	entropy := make([]byte, 32)
	rand.Read(entropy) // never fails
	return entropy
}
