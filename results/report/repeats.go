package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/stats"
	"github.com/fleetfall/fleetfall/scenarios"
)

// overRepeats says in a line what figures and their intervals are over or, of too few repeats, what would give intervals.
// Repeats count that came to an end: as many as some figure rests on.
func overRepeats(r *results.Results) string {
	n := 0
	for _, c := range r.Cells {
		for _, m := range c.Metrics {
			n = max(n, m.N)
		}
	}
	switch {
	case n == 0:
		return ""
	case n < stats.FewestForMean:
		verb := "has"
		if n > 1 {
			verb = "have"
		}
		return fmt.Sprintf("%s %s no interval: %d would give one of means and shares, %d of times of recovery, and %d could tell fleets apart.",
			upperFirst(count(n, "repeat")), verb, stats.FewestForMean, stats.FewestForMedian, stats.FewestPairs)
	}
	s := fmt.Sprintf("Figures are means over %s, with %s intervals of Student's t, or %s ones of shares; ",
		count(n, "repeat"), share(stats.MeanLevel), share(stats.Level))
	if _, level, ok := stats.MedianRank(n); ok {
		s += fmt.Sprintf("of times of recovery they are medians, with %s intervals.", share(level))
	} else {
		s += fmt.Sprintf("of times of recovery they are medians, which have intervals from %d repeats on.", stats.FewestForMedian)
	}
	return s + " Where all repeats agree there is none."
}

// rests says in a line what the figures rest on: the line that stands beside each table that leaves the machine.
func rests(r *results.Results) string {
	parts := []string{fmt.Sprintf("%s of %s", count(r.Scenario.Repeat, "repeat"), hostsACell(r))}
	parts = append(parts, fmt.Sprintf("seed %d", r.Scenario.Seed))
	if r.Provenance.Clock != "" {
		parts = append(parts, oneLine(r.Provenance.Clock)+" clock")
	}
	for _, f := range r.Provenance.Facts {
		name, value := oneLine(f.Name), oneLine(f.Value)
		switch {
		case name == "fleetfall", name == "QEMU":
			parts = append(parts, name+" "+value)
		case strings.HasPrefix(name, "image ") && !strings.HasSuffix(name, " sources"):
			digest, _, _ := strings.Cut(value, ",")
			parts = append(parts, fmt.Sprintf("%s %.12s", name, digest))
		}
	}
	if r.Run.ID != "" {
		parts = append(parts, "run "+oneLine(r.Run.ID))
	}
	return strings.Join(parts, ", ") + "."
}

// hostsACell says how many hosts a cell has: "4 hosts", "1 to 4 hosts".
func hostsACell(r *results.Results) string {
	var hosts []int
	for _, c := range r.Cells {
		hosts = append(hosts, c.Hosts)
	}
	if len(hosts) == 0 {
		return "no cell"
	}
	least, most := slices.Min(hosts), slices.Max(hosts)
	if least == most {
		return count(most, "host") + " a cell"
	}
	return fmt.Sprintf("%d to %s a cell", least, count(most, "host"))
}

// pace says what times of recovery are made of before anything else; it is empty when that is not known.
func pace(r *results.Results) string {
	if len(r.Scenario.Paces) == 0 {
		return ""
	}
	var lines []string
	for _, p := range r.Scenario.Paces {
		lines = append(lines, oneLine(p))
	}
	return "Times are of this scenario's pace: " + strings.Join(lines, ". Or: ") + "."
}

// instructions says what an overhead leaves out on the virtual clock; it is empty when no cell has one, and on another.
func instructions(r *results.Results) string {
	if r.Provenance.Clock != scenarios.ClockVirtual || meanOf(r.Cells, "overhead") == nil {
		return ""
	}
	return "Overhead is of instructions, at 2 ns each: caches, the TLB and switching between tasks cost nothing on the virtual clock."
}

// seen says what visibility and detection are of; it is empty when no cell has either.
func seen(r *results.Results) string {
	var parts []string
	for _, c := range r.Cells {
		if m := c.Metrics["visibility"]; m.Value != nil && m.Note != "" {
			parts = append(parts, "Visibility is "+oneLine(m.Note)+".")
			break
		}
	}
	if meanOf(r.Cells, "detection_during") != nil {
		parts = append(parts, "Probes during an outage are those of hosts that are up: one that is down runs none.")
	}
	return strings.Join(parts, " ")
}

// asides are the lines that stand below tables of figures.
func asides(r *results.Results) []string {
	return slices.DeleteFunc([]string{overRepeats(r), pace(r), seen(r), instructions(r), rests(r)}, func(s string) bool { return s == "" })
}
