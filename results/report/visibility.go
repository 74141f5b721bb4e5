package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fleetfall/fleetfall/results"
)

// A fleetSummary is one fleet over all its cells, those of a control arm left out.
type fleetSummary struct {
	Fleet, Architecture string
	Blast               *float64 // mean of its cells' blast radius, as are the others
	Visibility          *float64
	Overhead            *float64
	Kinds               []fleetKind
}

// A fleetKind is what became of one kind of threat on a fleet.
type fleetKind struct {
	What           string
	Before, During results.Detected
	Latency        *float64 // s, median of the cells' medians before the injection
	MissedIn       []string // updates during which none was detected, of a kind that was seen before
}

// What says what the fleet is, as far as its name does not.
func (f fleetSummary) What() string {
	return matrixRow{Fleet: f.Fleet, Architecture: f.Architecture}.What()
}

// fleetSummaries are in the order of cells.
func fleetSummaries(cells []results.Cell) []fleetSummary {
	tried := slices.DeleteFunc(slices.Clone(cells), func(c results.Cell) bool { return c.Control })
	var out []fleetSummary
	for _, name := range distinct(tried, func(c results.Cell) string { return c.Fleet }) {
		own := slices.DeleteFunc(slices.Clone(tried), func(c results.Cell) bool { return c.Fleet != name })
		out = append(out, fleetSummary{
			Fleet: oneLine(name), Architecture: oneLine(own[0].Architecture), Blast: meanOf(own, "blast_radius"),
			Visibility: meanOf(own, "visibility"), Overhead: meanOf(own, "overhead"), Kinds: kindsOf(own),
		})
	}
	return out
}

// meanOf is the mean of a metric over those cells that have it, nil when none has.
func meanOf(cells []results.Cell, key string) *float64 {
	sum, n := 0.0, 0
	for _, c := range cells {
		if v := c.Metrics[key].Value; v != nil {
			sum += *v
			n++
		}
	}
	if n == 0 {
		return nil
	}
	mean := sum / float64(n)
	return &mean
}

// kindsOf adds up the cells of one fleet, in the order in which the kinds first appear.
func kindsOf(cells []results.Cell) []fleetKind {
	var kinds []fleetKind
	latencies := map[string][]float64{}
	for _, c := range cells {
		for _, v := range c.Visibility {
			i := slices.IndexFunc(kinds, func(k fleetKind) bool { return k.What == v.What })
			if i < 0 {
				i = len(kinds)
				kinds = append(kinds, fleetKind{What: v.What})
			}
			k := &kinds[i]
			k.Before.N, k.Before.Detected = k.Before.N+v.Before.N, k.Before.Detected+v.Before.Detected
			k.During.N, k.During.Detected = k.During.N+v.During.N, k.During.Detected+v.During.Detected
			if v.Latency != nil {
				latencies[v.What] = append(latencies[v.What], *v.Latency)
			}
			if v.Before.Detected > 0 && v.During.N > 0 && v.During.Detected == 0 && !slices.Contains(k.MissedIn, oneLine(c.Update)) {
				k.MissedIn = append(k.MissedIn, oneLine(c.Update))
			}
		}
	}
	for i := range kinds {
		if l := latencies[kinds[i].What]; len(l) > 0 {
			slices.Sort(l)
			median := (l[(len(l)-1)/2] + l[len(l)/2]) / 2
			kinds[i].Latency = &median
		}
	}
	return kinds
}

// A visibilityRow is one kind of threat on all fleets.
type visibilityRow struct {
	threatKind
	Fleets []fleetKind
}

// visibilityTable has a row for each kind of threat that some fleet met.
func visibilityTable(fleets []fleetSummary) []visibilityRow {
	var names []string
	for _, f := range fleets {
		for _, k := range f.Kinds {
			if !slices.Contains(names, k.What) {
				names = append(names, k.What)
			}
		}
	}
	known := threatKinds()
	place := func(what string) int {
		if i := slices.IndexFunc(known, func(k threatKind) bool { return k.Name == what }); i >= 0 {
			return i
		}
		return len(known)
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(place(a), place(b)) })
	var rows []visibilityRow
	for _, what := range names {
		row := visibilityRow{threatKind: threatKind{Name: oneLine(what)}}
		if i := place(what); i < len(known) {
			row.threatKind = known[i]
		}
		for _, f := range fleets {
			k := fleetKind{What: what}
			if i := slices.IndexFunc(f.Kinds, func(k fleetKind) bool { return k.What == what }); i >= 0 {
				k = f.Kinds[i]
			}
			row.Fleets = append(row.Fleets, k)
		}
		rows = append(rows, row)
	}
	return rows
}

// Sign says at a glance whether a fleet detects threats of a kind when nothing is wrong.
func (k fleetKind) Sign() string { return detectedSign(k.Before) }

func detectedSign(d results.Detected) string {
	switch {
	case d.N == 0:
		return missing
	case d.Detected == d.N:
		return "✓"
	case d.Detected == 0:
		return "✗"
	}
	return "◐"
}

// detectedText is e.g. "23 of 24".
func detectedText(d results.Detected) string {
	if d.N == 0 {
		return missing
	}
	return fmt.Sprintf("%s of %s", number(float64(d.Detected)), number(float64(d.N)))
}

// Missed names the updates during which the fleet went blind for the kind; it is empty when there was none.
func (k fleetKind) Missed() string {
	const most = 4
	names := k.MissedIn
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// A threatKind is a kind of synthetic threat as reports explain it.
type threatKind struct {
	Name       string
	Probe      bool
	Definition string
}

// threatKinds lists the kinds of threats in the order in which reports show them.
func threatKinds() []threatKind {
	return []threatKind{
		{"exec", true, "a program is executed that the agent is to stop"},
		{"mark", true, "a program is executed that the agent is to report"},
		{"short", false, "a program is executed that ends at once"},
		{"script", false, "an interpreter reads and obeys a script: the program executed is not the threat"},
		{"mmap", false, "a file is written through shared memory, with no call to write"},
		{"module", false, "a kernel module is loaded from memory"},
		{"rename", false, "a file is renamed over one of the system’s configuration"},
		{"delete", false, "a file of the agent’s own state is deleted"},
	}
}
