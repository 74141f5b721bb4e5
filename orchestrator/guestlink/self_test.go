package guestlink

import (
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// TestStart: hosts and boots begin evenly over their intervals, each trial anew; a host's pages are the same in all boots.
func TestStart(t *testing.T) {
	tempo := fleet.Tempo{Beat: 10 * time.Second, Poll: 30 * time.Second, Work: time.Second}
	const hosts, parts = 4000, 10
	var counts [4][parts]int
	for host := range uint32(hosts) {
		s := Start(tempo, 291, host, 1)
		if s != Start(tempo, 291, host, 1) {
			t.Fatal("the same draw twice differs")
		}
		other := Start(tempo, 291, host, 2)
		if s.Layout != other.Layout || s.PollPhase == other.PollPhase {
			t.Fatalf("host %d: %+v in one boot and %+v in another; want the same pages and another phase", host, s, other)
		}
		if s.Layout == Start(tempo, 292, host, 1).Layout && s.PollPhase == Start(tempo, 292, host, 1).PollPhase {
			t.Fatalf("host %d draws alike in two trials", host)
		}
		for i, share := range []float64{
			float64(s.BeatPhase) / float64(tempo.Beat), float64(s.PollPhase) / float64(tempo.Poll),
			float64(s.WorkPhase) / float64(tempo.Work), float64(s.Layout) / protocol.MaxLayout,
		} {
			if share < 0 || share >= 1 {
				t.Fatalf("host %d: %+v", host, s)
			}
			counts[i][int(share*parts)]++
		}
	}
	for i := range counts {
		for part, n := range counts[i] { // binomial: mean 400, standard deviation 19
			if n < 300 || n > 500 {
				t.Errorf("draw %d: %d of %d hosts in part %d of %d", i, n, hosts, part, parts)
			}
		}
	}
	if s := Start(fleet.Tempo{}, 1, 0, 0); s.BeatPhase != 0 || s.PollPhase != 0 || s.WorkPhase != 0 {
		t.Errorf("phases of intervals that there are none of: %+v", s)
	}
}
