package fleet_test

import (
	"testing"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

func TestProbesAreKindsOfThreats(t *testing.T) {
	var probes []string
	for _, what := range fleet.ThreatKinds() {
		if (fleet.Threat{What: what}).Probe() {
			probes = append(probes, what)
		}
	}
	if len(probes) != 2 || probes[0] != "exec" || probes[1] != "mark" {
		t.Errorf("of the kinds of threats %q are probes, want exec and mark", probes)
	}
}
