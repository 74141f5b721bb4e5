package report

import (
	"fmt"
	"slices"
)

// Parts of a cell's section that hold evidence. A browser that is sent to one unfolds what it is in.
const (
	lanesPart   = "lanes"   // the timeline
	hostsPart   = "hosts"   // each host's story
	threatsPart = "threats" // threats and work
	panicsPart  = "panics"
)

// partAnchor is the ID of a part of a cell.
func partAnchor(part string, cell int) string { return fmt.Sprintf("%s%d", part, cell) }

// Part is the ID of a part of the cell.
func (d cellDetail) Part(part string) string { return partAnchor(part, d.Index) }

// An evidence is a link to what a figure was made from.
type evidence struct{ Text, Anchor string }

// evidence leads from a figure of the cell to what it was made from, what tells the most first.
func (d cellDetail) evidence(key string) []evidence {
	var out []evidence
	add := func(there bool, text, part string) {
		if there {
			out = append(out, evidence{text, d.Part(part)})
		}
	}
	seen := []string{"visibility", "detection_before", "detection_during", "detection_after"}
	worked := []string{"work_latency", "overhead", "memory_taken", "run_delay", "blocked_work"}
	add(slices.Contains(seen, key) && len(d.Visibility) > 0, "threats", threatsPart)
	add(slices.Contains(worked, key) && len(d.Loads) > 0, "work", threatsPart)
	add(d.Timeline != "", "timeline", lanesPart)
	add(len(d.Stories) > 0, "host by host", hostsPart)
	add(len(d.Causes) > 0 && !slices.Contains(seen, key) && !slices.Contains(worked, key), "panics", panicsPart)
	if len(out) == 0 {
		out = []evidence{{"cell", d.Anchor}}
	}
	return out
}

// fillEvidence has each expectation lead to its cell; that of an expectation of no known cell stays empty.
func (p *page) fillEvidence() {
	for _, rows := range [][]expectationRow{p.Expectations, p.Met} {
		for i := range rows {
			if j := slices.IndexFunc(p.Details, func(d cellDetail) bool { return d.ID == rows[i].Cell }); j >= 0 {
				rows[i].Evidence = p.Details[j].evidence(rows[i].Metric)
			}
		}
	}
}
