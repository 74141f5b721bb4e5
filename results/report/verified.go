package report

import (
	"fmt"
	"strings"

	"github.com/fleetfall/fleetfall/results"
)

// A verified cell is what came of the second runs of its trials.
type verified struct {
	Label  string
	Status results.Status // met when all of them came out the same
	Text   string
}

// verification says, cell by cell, whether a run came out the same under load; it is empty for a run without verification.
func verification(r *results.Results) []verified {
	names := labels(r.Cells)
	var out []verified
	for i, c := range r.Cells {
		var trials []results.Verification
		for _, v := range r.Verification {
			if v.Cell == c.ID {
				trials = append(trials, v)
			}
		}
		if len(trials) > 0 {
			out = append(out, verifiedCell(names[i], trials))
		}
	}
	return out
}

// verifiedCell says it of one cell.
func verifiedCell(label string, trials []results.Verification) verified {
	out := verified{Label: label, Status: results.Met}
	var parts []string
	within, entries, timed := 0, 0, 0
	largest := 0.0
	for _, v := range trials {
		entries, timed, largest = entries+v.Entries, timed+v.Timed, max(largest, v.Largest)
		switch v.Status {
		case results.Identical:
		case results.Within:
			within++
		case results.Differs:
			out.Status = results.Missed
			parts = append(parts, fmt.Sprintf("repeat %d%s differs: %s (of %s, %d differ in time alone, and %d in more; times by at most %s)",
				v.Repeat, waveOf(v), oneLine(v.Difference), count(v.Entries, "line"), v.Timed, v.Changed, largestOf(v.Largest)))
		default:
			if out.Status == results.Met {
				out.Status = results.Inconclusive
			}
			parts = append(parts, fmt.Sprintf("repeat %d%s was not verified: %s", v.Repeat, waveOf(v), oneLine(v.Reason)))
		}
	}
	switch {
	case len(parts) > 0:
	case within == 0:
		parts = append(parts, fmt.Sprintf("identical in all %s", count(entries, "line")))
	case timed > 0:
		parts = append(parts, fmt.Sprintf("the same but for times: in %d of %s, by at most %s", timed, count(entries, "line"), largestOf(largest)))
	default:
		parts = append(parts, fmt.Sprintf("the same in all %s", count(entries, "line")))
	}
	out.Text = strings.Join(parts, "; ")
	return out
}

func waveOf(v results.Verification) string {
	if v.Wave == 0 {
		return ""
	}
	return fmt.Sprintf(", wave %d", v.Wave)
}

// largestOf is a difference of times, to the microsecond where it is small: it is read beside the tolerance.
func largestOf(s float64) string {
	if s < 1e-3 || s >= 0.1 {
		return seconds(s)
	}
	return decimals(s*1e3, 3) + " ms"
}

// unreliable warns of figures that a busy machine would have changed; it is empty where that was not seen.
func unreliable(r *results.Results) string {
	differ := 0
	for _, v := range r.Verification {
		if v.Status == results.Differs {
			differ++
		}
	}
	if differ == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %s came out differently when the machine was busy: what follows cannot be relied upon.", differ, count(len(r.Verification), "trial"))
}

// verifiedHow says what was done for the verification, and what it allows.
func verifiedHow(r *results.Results) string {
	if len(r.Verification) == 0 {
		return ""
	}
	how := "Every trial was run a second time with all CPUs kept busy, and compared line by line of the journal: "
	if t := r.Verification[0].Tolerance; t > 0 {
		how += "times may differ by " + largestOf(t) + ", and the memory that a host has left by 64 KiB, nothing else may."
	} else {
		how += "nothing may differ, times to the nanosecond included."
	}
	return how + " Second runs are in no figure."
}
