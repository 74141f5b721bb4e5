// Package draw makes all chance of a run. A draw depends on the scenario's seed, on its purpose, the repeat, the wave and
// the host's number within the trial, and never on what cells, fleets, updates or hosts are called: cells of one repeat
// draw alike and are pairs, and another fleet in a scenario changes no figure of those that were there.
//
// Each derivation is a text and SHA-256 of it, so that others can make the same:
//
//	a trial's seed, and what all cells of a repeat share    "fleetfall draw 1/SEED/PURPOSE/REPEAT/WAVE"
//	a host's n-th draw within a trial                       "fleetfall draw 1/TRIAL'S SEED/PURPOSE/HOST/N"
//
// with decimal numbers. A seed is the first 8 bytes of the sum as a little-endian number; a source of numbers is PCG-DXSM
// of math/rand/v2, seeded with the first 8 bytes and the next 8.
package draw

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// A Way is how a run draws. It stands in the header of its journal.
type Way int

// The ways of drawing.
const (
	ByName  Way = 0 // of runs from before the header said so: by names of cells, updates and hosts
	ByIndex Way = 1 // as this package does
)

// Check tells what is wrong with a way, if it is none.
func (w Way) Check() error {
	if w != ByName && w != ByIndex {
		return fmt.Errorf("it draws in way %d, which this fleetfall does not know; a newer one wrote it", int(w))
	}
	return nil
}

// A Purpose is what is drawn for. Draws for different purposes know nothing of one another.
type Purpose string

// What is drawn for.
const (
	Trial   Purpose = "trial"    // a trial's seed
	Content Purpose = "content"  // what a fault leaves to chance: one for all cells of a repeat
	Order   Purpose = "order"    // in which a trial's hosts are switched on
	HandsOn Purpose = "hands-on" // a technician's time at a host, at each visit
	Entropy Purpose = "entropy"  // what the kernel of a host gets, in each boot
	Phase   Purpose = "phase"    // where in its intervals a host begins, in each boot
	Layout  Purpose = "layout"   // the pages that a host's guest takes before anything else
)

// Seed is that of a purpose in a repeat (from 0) and a wave (from 1; 0 where the fleet is whole).
func Seed(seed uint64, p Purpose, repeat, wave int) uint64 {
	sum := derive(seed, p, uint64(repeat), uint64(wave))
	return binary.LittleEndian.Uint64(sum[:])
}

// Host is the source of the n-th draw for a purpose of the host with this number in a trial.
func Host(trial uint64, p Purpose, host uint32, n int) *rand.Rand {
	sum := derive(trial, p, uint64(host), uint64(n))
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])))
}

// Bytes are the 32 of the n-th draw for a purpose of the host with this number in a trial.
func Bytes(trial uint64, p Purpose, host uint32, n int) []byte {
	sum := derive(trial, p, uint64(host), uint64(n))
	return sum[:]
}

func derive(seed uint64, p Purpose, a, b uint64) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "fleetfall draw 1/%d/%s/%d/%d", seed, p, a, b))
}
