package main

import (
	"testing"

	"github.com/fleetfall/fleetfall/results"
)

func TestMatrixRow(t *testing.T) {
	of := func(minutes float64, status, clock string, hosts, samples int) *results.Results {
		return &results.Results{
			Run: results.Run{Duration: minutes * 60, Status: status}, Provenance: results.Provenance{Clock: clock},
			Cells: []results.Cell{{Hosts: hosts, HostsDetail: make([]results.HostDetail, samples)}},
		}
	}
	for name, c := range map[string]struct {
		r    *results.Results
		want mark
	}{
		"in time":       {of(39, results.StatusComplete, "virtual", 3, 3), kept},
		"too late":      {of(41, results.StatusComplete, "virtual", 3, 3), broken},
		"interrupted":   {of(39, results.StatusInterrupted, "virtual", 3, 3), skipped},
		"on wall clock": {of(39, results.StatusComplete, "wall", 3, 3), skipped},
		"fewer hosts":   {of(39, results.StatusComplete, "virtual", 1, 1), skipped},
		"more repeats":  {of(39, results.StatusComplete, "virtual", 3, 6), skipped},
	} {
		if got := matrixRow(row{mark: skipped}, c.r); got.mark != c.want {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
}
