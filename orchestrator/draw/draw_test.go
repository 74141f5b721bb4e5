package draw_test

import (
	"encoding/hex"
	"testing"

	"github.com/fleetfall/fleetfall/orchestrator/draw"
)

// TestDerivation holds the package against sums made elsewhere:
//
//	printf 'fleetfall draw 1/291/trial/0/0' | sha256sum
func TestDerivation(t *testing.T) {
	if got, want := hex.EncodeToString(draw.Bytes(291, draw.Trial, 0, 0)), "d0034856674664e2a6bace4bc4854c3c947216f3838dcc9a9b697365f1670ab9"; got != want {
		t.Errorf("the sum is %s, want %s", got, want)
	}
	if got, want := draw.Seed(291, draw.Trial, 0, 0), uint64(0xe2644667564803d0); got != want {
		t.Errorf("the seed is %#x, want %#x", got, want)
	}
	if got, want := hex.EncodeToString(draw.Bytes(7, draw.HandsOn, 12, 3)), "7b83446bade5e9692db09883a7cca80bdea2d601702a210c9e117766077403f2"; got != want {
		t.Errorf("the sum is %s, want %s", got, want)
	}
}

// TestApart: whatever differs, the draw does.
func TestApart(t *testing.T) {
	seen := map[string]string{}
	add := func(what string, b []byte) {
		if other, ok := seen[string(b)]; ok {
			t.Errorf("%s draws as %s", what, other)
		}
		seen[string(b)] = what
	}
	for _, seed := range []uint64{1, 2, 11} {
		for _, p := range []draw.Purpose{draw.Trial, draw.Content, draw.Order, draw.HandsOn, draw.Entropy, draw.Phase, draw.Layout} {
			for host := range uint32(12) {
				for n := range 12 {
					add(string(p), draw.Bytes(seed, p, host, n))
				}
			}
		}
	}
	a, b := draw.Host(1, draw.Phase, 0, 1), draw.Host(1, draw.Phase, 0, 1)
	if a.Uint64() != b.Uint64() {
		t.Error("the same draw twice differs")
	}
}

func TestWays(t *testing.T) {
	for _, w := range []draw.Way{draw.ByName, draw.ByIndex} {
		if err := w.Check(); err != nil {
			t.Error(err)
		}
	}
	if err := draw.Way(2).Check(); err == nil {
		t.Error("a way that nobody knows is one")
	}
}
