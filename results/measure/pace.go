package measure

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/scenarios"
)

// paces say what the plan has hosts wait for, a line for each recovery and revert: times of recovery are made of these
// waits before anything else, and who reads of 13 s of recovery should read of technicians who take 4 s.
func paces(p *scenarios.Plan) []string {
	out := []string{}
	for _, c := range p.Cells {
		if line := pace(c); !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	return out
}

func pace(c scenarios.Cell) string {
	var parts []string
	if c.Update.RevertAfter > 0 {
		parts = append(parts, "the update is reverted after "+waits(c.Update.RevertAfter))
	} else {
		parts = append(parts, "the update is not reverted")
	}
	r := c.Recovery
	if r.Strategy == "none" {
		parts = append(parts, "nobody comes")
	} else {
		parts = append(parts, "a technician comes after "+waits(r.Notice)+" and takes "+handsOn(r.HandsOn))
	}
	if r.Restart > 0 {
		parts = append(parts, "a panic is followed by a restart after "+waits(r.Restart))
	}
	return strings.Join(parts, "; ")
}

// waits is a time as it is written in a scenario, e.g. "1m30s".
func waits(d scenarios.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// handsOn says what a technician's time for a host is like.
func handsOn(d scenarios.Distribution) string {
	if d.Validate() != nil { // a plan of a journal that somebody has changed
		return "an unknown time"
	}
	if d.Quantile(0.05) == d.Quantile(0.95) {
		return waits(scenarios.Duration(d.Quantile(0.5)))
	}
	return fmt.Sprintf("%s (median)", waits(scenarios.Duration(d.Quantile(0.5).Round(time.Millisecond))))
}
