package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/results"
)

// inWaves is a cell whose waves have these many hosts each, in two repeats.
func inWaves(waves int, sizes ...int) results.Cell {
	c := results.Cell{Fleet: "kernel", Waves: waves}
	for i, n := range sizes {
		for range n {
			c.Hosts++
			for repeat := range 2 {
				c.HostsDetail = append(c.HostsDetail, results.HostDetail{Host: fmt.Sprintf("kernel-%03d", c.Hosts), Repeat: repeat, Wave: i + 1})
			}
		}
	}
	return c
}

func TestWaves(t *testing.T) {
	const rest = ": what couples hosts, such as technicians, does so within a wave"
	for _, tt := range []struct {
		c    results.Cell
		want string
	}{
		{results.Cell{Hosts: 4}, ""},
		{inWaves(3, 34, 33, 33), "run in 3 waves of 34, 33, 33 hosts" + rest},
		{inWaves(3, 34), "run in 3 waves of 34 hosts" + rest}, // interrupted in the first
		{inWaves(8, 3, 3, 3, 3, 3, 2, 2, 2), "run in 8 waves of 2 to 3 hosts" + rest},
		{inWaves(7, 2, 2, 2, 2, 2, 2, 2), "run in 7 waves of 2 hosts" + rest},
		{results.Cell{Hosts: 4, Waves: 2}, "run in 2 waves" + rest},
	} {
		if got := waves(tt.c); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestInvalidSamplesStayShort(t *testing.T) {
	c := results.Cell{Trials: []results.Trial{
		{Status: "invalid", Reason: "connect: gone", Superseded: true}, {Attempt: 2, Status: "settled"},
		{Repeat: 1, Wave: 2, Waves: 2, Status: "invalid", Reason: "the fleet was not ready"},
	}}
	for i := range 40 {
		c.HostsDetail = append(c.HostsDetail, results.HostDetail{Host: fmt.Sprintf("h-%02d", i+1), Node: "small", Invalid: "lost"})
	}
	c.HostsDetail = append(c.HostsDetail, results.HostDetail{Host: "h-41", Invalid: "no memory"}, results.HostDetail{Host: "h-42"})
	want := []invalidSample{
		{"k", "whole repeat 0, which was run again", "connect: gone"},
		{"k", "whole repeat 1, wave 2", "the fleet was not ready"},
		{"k", "h-01 on small, h-02 on small, h-03 on small, h-04 on small, h-05 on small and 35 more, repeat 0", "lost"},
		{"k", "h-41, repeat 0", "no memory"},
	}
	if diff := cmp.Diff(want, invalidSamples("k", c)); diff != "" {
		t.Errorf("invalid samples (-want +got):\n%s", diff)
	}
}

func TestRetried(t *testing.T) {
	r := outage()
	if got := retried(r) + resumed(r); got != "" {
		t.Errorf("a run that went through says %q", got)
	}
	r.Cells[0].Trials = append(r.Cells[0].Trials, results.Trial{Attempt: 2, Status: "interrupted", Superseded: true}, results.Trial{Attempt: 2, Status: "settled"})
	r.Cells[1].HostsDetail[0].Retried = 1
	if got := retried(r); !strings.Contains(got, "1 trial and the first boot of 1 host.") {
		t.Errorf("%q", got)
	}
}

// TestHostBelongsToItsWave: of two waves of one repeat, the one that settled carries its own hosts on, and no others.
func TestHostBelongsToItsWave(t *testing.T) {
	c := results.Cell{Trials: []results.Trial{
		{Wave: 1, Status: "settled", Superseded: true}, {Wave: 1, Status: "deadline"}, {Wave: 2, Status: "settled"},
	}}
	for wave, want := range map[int]bool{1: false, 2: true, 3: false} {
		if got := settled(c, results.HostDetail{Wave: wave}); got != want {
			t.Errorf("wave %d settled: %v, want %v", wave, got, want)
		}
	}
}
