package recovery

import (
	"fmt"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/scenarios"
)

// A way is a way back: what is done at a host, and the policy that decides when and by whom.
type way struct {
	script Script
	policy func(s Script, r scenarios.Recovery, f Fleet) (Policy, error)
}

// ways are the ways back, by the name that a recovery's strategy has for them: those of scenarios.Strategies.
var ways = map[string]way{
	// Hosts are left to restart by themselves.
	"none": {policy: nobodyComes},
	// The remedy published in July 2024: without the agent, the content is removed.
	"safe_mode": {
		script: Script{{Boot: fleet.Safe}, {Order: fleet.Order{Kind: fleet.RemoveContent}}, {HandsOn: true}, {Boot: fleet.Normal}},
		policy: techniciansCome,
	},
}

// New makes the policy that a scenario describes. Policies of one fleet that are told the same do the same.
func New(r scenarios.Recovery, f Fleet) (Policy, error) {
	w, ok := ways[r.Strategy]
	if !ok {
		return nil, fmt.Errorf("recovery %q: unknown strategy %q, known are %v", r.Name, r.Strategy, scenarios.Strategies())
	}
	return w.policy(w.script, r, f)
}

// Needs are what a backend has to be able to do for a recovery, sorted.
func Needs(r scenarios.Recovery) []fleet.Capability {
	needs := append(ways[r.Strategy].script.needs(), fleet.CanDo(fleet.Reset{}.Kind())) // the automatic restart
	slices.Sort(needs)
	return slices.Compact(needs)
}

func nobodyComes(_ Script, r scenarios.Recovery, f Fleet) (Policy, error) {
	return newRestarts(f.Hosts, time.Duration(r.Restart)), nil
}

func techniciansCome(s Script, r scenarios.Recovery, f Fleet) (Policy, error) {
	if r.Technicians < 1 {
		return nil, fmt.Errorf("recovery %q: %s needs at least one technician", r.Name, r.Strategy)
	}
	return &visits{
		restarts: newRestarts(f.Hosts, time.Duration(r.Restart)), script: s, after: time.Duration(r.Notice), handsOn: r.HandsOn, chance: f.Chance,
		notice: newNotice(f.Hosts), staff: staff{free: r.Technicians}, hosts: make([]visit, f.Hosts),
	}, nil
}
