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
	Blast               *float64 // mean of its cells' blast radius, over the updates that all fleets met; a harmless one is left out
	Faults              int      // updates that this is the mean over
	Visibility          *float64 // mean of its cells', as is the next
	Overhead            *float64
	Kinds               []fleetKind
}

// A fleetKind is what became of one kind of threat on a fleet.
type fleetKind struct {
	What                  string
	Before, During, After results.Detected // their latencies are the medians of the cells' medians, and the longest
	MissedIn              []string         // updates during or after which none was detected, of a kind that was seen before
}

// What says what the fleet is, as far as its name does not.
func (f fleetSummary) What() string {
	return matrixRow{Fleet: f.Fleet, Architecture: f.Architecture}.What()
}

// fleetSummaries are in the order of cells.
func fleetSummaries(cells []results.Cell) []fleetSummary {
	tried := slices.DeleteFunc(slices.Clone(cells), func(c results.Cell) bool { return c.Control })
	var out []fleetSummary
	shared := sharedFaults(tried)
	for _, name := range distinct(tried, func(c results.Cell) string { return c.Fleet }) {
		own := slices.DeleteFunc(slices.Clone(tried), func(c results.Cell) bool { return c.Fleet != name })
		faulty := slices.DeleteFunc(slices.Clone(own), func(c results.Cell) bool { return !slices.Contains(shared, c.Update) })
		out = append(out, fleetSummary{
			Fleet: oneLine(name), Architecture: oneLine(own[0].Architecture), Blast: meanOf(faulty, "blast_radius"), Faults: len(shared),
			Visibility: meanOf(own, "visibility"), Overhead: meanOf(own, "overhead"), Kinds: kindsOf(own),
		})
	}
	return out
}

// sharedFaults lists the faulty updates of which every fleet has a blast radius, fleets that have none at all left out: means
// over different faults could not be set against each other.
func sharedFaults(tried []results.Cell) []string {
	met := map[string]map[string]bool{} // by fleet, by update
	for _, c := range tried {
		if c.Fault != "none" && c.Metrics["blast_radius"].Value != nil {
			if met[c.Fleet] == nil {
				met[c.Fleet] = map[string]bool{}
			}
			met[c.Fleet][c.Update] = true
		}
	}
	return slices.DeleteFunc(distinct(tried, func(c results.Cell) string { return c.Update }), func(update string) bool {
		for _, own := range met {
			if !own[update] {
				return true
			}
		}
		return len(met) == 0
	})
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
	parts := map[string][]results.Visibility{}
	for _, c := range cells {
		for _, v := range c.Visibility {
			i := slices.IndexFunc(kinds, func(k fleetKind) bool { return k.What == v.What })
			if i < 0 {
				i = len(kinds)
				kinds = append(kinds, fleetKind{What: v.What})
			}
			parts[v.What] = append(parts[v.What], v)
			update := oneLine(c.Update)
			if v.Before.Detected > 0 && (missed(v.During) || missed(v.After)) && !slices.Contains(kinds[i].MissedIn, update) {
				kinds[i].MissedIn = append(kinds[i].MissedIn, update)
			}
		}
	}
	for i := range kinds {
		k := &kinds[i]
		own := parts[k.What]
		k.Before = together(own, func(v results.Visibility) results.Detected { return v.Before })
		k.During = together(own, func(v results.Visibility) results.Detected { return v.During })
		k.After = together(own, func(v results.Visibility) results.Detected { return v.After })
	}
	return kinds
}

func missed(d results.Detected) bool { return d.N > 0 && d.Detected == 0 }

// together adds up what of says of each part.
func together(parts []results.Visibility, of func(results.Visibility) results.Detected) results.Detected {
	var sum results.Detected
	var medians []float64
	for _, v := range parts {
		d := of(v)
		sum.N, sum.Detected = sum.N+d.N, sum.Detected+d.Detected
		if d.Latency != nil {
			medians = append(medians, *d.Latency)
		}
		if d.LatencyMax != nil && (sum.LatencyMax == nil || *d.LatencyMax > *sum.LatencyMax) {
			sum.LatencyMax = d.LatencyMax
		}
	}
	if n := len(medians); n > 0 {
		slices.Sort(medians)
		median := (medians[(n-1)/2] + medians[n/2]) / 2
		sum.Latency = &median
	}
	return sum
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

// latencyText is e.g. "1.2 ms, at most 310 ms"; it is empty when nothing was reported.
func latencyText(d results.Detected) string {
	switch {
	case d.Latency == nil:
		return ""
	case d.LatencyMax == nil || *d.LatencyMax == *d.Latency:
		return seconds(*d.Latency)
	}
	return seconds(*d.Latency) + ", at most " + seconds(*d.LatencyMax)
}

// detectedText is e.g. "23 of 24".
func detectedText(d results.Detected) string {
	if d.N == 0 {
		return missing
	}
	return fmt.Sprintf("%s of %s", number(float64(d.Detected)), number(float64(d.N)))
}

// Missed names the updates with which the fleet went blind for the kind; it is empty when there was none.
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
		{"write", false, "a file is written by a call to write"},
		{"mmap", false, "a file is written through shared memory, with no call to write"},
		{"module", false, "a kernel module is loaded from memory"},
		{"rename", false, "a file is renamed over one of the system’s configuration"},
		{"delete", false, "a file of the agent’s own state is deleted"},
	}
}
