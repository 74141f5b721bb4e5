package orchestrator

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/recovery"
	"github.com/fleetfall/fleetfall/scenarios"
)

// A Need is what a part of a plan needs of a backend.
type Need struct {
	Attribute string // of the part's block, that asks for it; "" when the block itself does
	fleet.Capability
}

// Needs lists what a part of a plan needs of a backend.
func Needs(p scenarios.Part) []Need {
	switch p := p.(type) {
	case *scenarios.Plan:
		if p.Clock != "" {
			return []Need{{"clock", fleet.CanKeepTime(fleet.Clock(p.Clock))}}
		}
	case scenarios.Node:
		return []Need{{"", fleet.CanUseNodes}}
	case scenarios.Fleet:
		needs := []Need{
			{"", fleet.CanDo("boot")}, {"", fleet.CanBoot(fleet.Normal)}, {"architecture", fleet.CanRun(p.Architecture)},
		}
		// A machine stops by default, and hosts without a kernel of their own need not.
		if o := fleet.Oops(p.Oops); o != "" && o != fleet.OopsPanic {
			needs = append(needs, Need{"oops", fleet.CanTakeOops(o)})
		}
		if p.CrashDump {
			needs = append(needs, Need{"crash_dump", fleet.CanDumpMemory})
		}
		return needs
	case scenarios.Update:
		return []Need{{"", fleet.CanDo("serve")}}
	case scenarios.Recovery:
		var needs []Need
		for _, c := range recovery.Needs(p) {
			needs = append(needs, Need{"", c})
		}
		return needs
	}
	return nil
}

// Capabilities lists what a trial needs of its fleet, sorted, each once.
func (t Trial) Capabilities() []fleet.Capability {
	parts := []scenarios.Part{t.Plan, t.Cell.Fleet, t.Cell.Update, t.Cell.Recovery}
	for _, n := range t.Plan.Nodes {
		parts = append(parts, n)
	}
	var all []fleet.Capability
	for _, p := range parts {
		for _, n := range Needs(p) {
			all = append(all, n.Capability)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Fits tells what a backend lacks that has these capabilities: nil when the trial can run on it.
func (t Trial) Fits(backend string, has []fleet.Capability) error {
	missing := fleet.Missing(has, t.Capabilities())
	if len(missing) == 0 {
		return nil
	}
	var words []string
	for _, m := range missing {
		words = append(words, m.Words())
	}
	return fmt.Errorf("cell %s: the backend %q cannot %s", t.Cell.ID, backend, strings.Join(words, ", nor "))
}
