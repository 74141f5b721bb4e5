package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Check tells what makes p no plan: a field that is computed with, or that names files, is not what a scenario could
// have made of it. A plan from [Load] passes; one that was read from elsewhere may not. Names of metrics, faults,
// images and backends are not checked: another fleetfall may have others.
func (p *Plan) Check() error {
	within := func(name string, d Duration, least time.Duration) error {
		if time.Duration(d) < least || time.Duration(d) > maxDuration {
			return fmt.Errorf("%s is %s, and must be between %s and %s", name, d, durationText(least), durationText(maxDuration))
		}
		return nil
	}
	number := func(name string, n, least, most int64) error {
		if n < least || n > most {
			return fmt.Errorf("%s is %d, and must be between %d and %d", name, n, least, most)
		}
		return nil
	}
	if !validName(p.Scenario) {
		return fmt.Errorf("the scenario's name is %.60q: %s", p.Scenario, nameRule)
	}
	if err := firstOf(
		within("deadline", p.Deadline, time.Second), within("stable_for", p.StableFor, time.Millisecond),
		within("liveness", p.Liveness, time.Millisecond), within("latency_bound", p.Latency, time.Millisecond),
		within("tempo: beat", p.Tempo.Beat, 1), within("tempo: poll", p.Tempo.Poll, 1),
		within("tempo: work", p.Tempo.Work, 1), within("tempo: threat", p.Tempo.Threat, 1),
		number("repeat", int64(p.Repeat), 1, maxRepeat), number("the number of cells", int64(len(p.Cells)), 1, maxCells),
		number("the number of cells times repeat", int64(len(p.Cells))*int64(p.Repeat), 1, maxSamples),
		p.checkHosts(),
	); err != nil {
		return err
	}
	if p.Backend != "" && !validName(p.Backend) {
		return fmt.Errorf("the backend's name is %.60q: %s", p.Backend, nameRule)
	}
	if p.Clock != "" && !slices.Contains(clocks, p.Clock) {
		return fmt.Errorf("unknown clock %.60q; the clocks are %s", p.Clock, andList(clocks))
	}
	ids := map[string]bool{}
	for _, c := range p.Cells {
		if ids[c.ID] {
			return fmt.Errorf("two cells are %.200q", c.ID)
		}
		ids[c.ID] = true
		for name := range strings.SplitSeq(c.ID, "/") {
			if !validName(name) {
				return fmt.Errorf("cell %.200q: %.60q is no name: %s", c.ID, name, nameRule)
			}
		}
		if err := firstOf(
			within("at", c.Update.At, 0), within("revert_after", c.Update.RevertAfter, 0),
			within("notice", c.Recovery.Notice, 0), within("restart", c.Recovery.Restart, 0),
			number("technicians", int64(c.Recovery.Technicians), 0, maxFleet),
			number("memory", int64(c.Fleet.Memory), 0, maxMemory),
		); err != nil {
			return fmt.Errorf("cell %s: %w", c.ID, err)
		}
		if !validName(c.Fleet.Name) {
			return fmt.Errorf("cell %s: the fleet's name is %.60q: %s", c.ID, c.Fleet.Name, nameRule)
		}
		if !slices.Contains(architectures, c.Fleet.Architecture) {
			return fmt.Errorf("cell %s: unknown architecture %.60q; the architectures are %s",
				c.ID, c.Fleet.Architecture, andList(architectures))
		}
		if c.Recovery.HandsOn != (Distribution{}) {
			if err := c.Recovery.HandsOn.Validate(); err != nil {
				return fmt.Errorf("cell %s: hands_on: %w", c.ID, err)
			}
		}
	}
	return nil
}

// checkHosts bounds the hosts of each fleet and of all trials by what can be listed. What the backend can hold it knows
// itself.
func (p *Plan) checkHosts() error {
	all := int64(0)
	for _, c := range p.Cells {
		n := int64(c.Fleet.Hosts)
		if n < 1 || n > maxFleet {
			return fmt.Errorf("cell %.200q has %d hosts, and must have between 1 and %d", c.ID, n, maxFleet)
		}
		if all += n * int64(p.Repeat); all > maxFleet {
			return fmt.Errorf("all trials together have more than %d hosts", maxFleet)
		}
	}
	return nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
