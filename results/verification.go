package results

import (
	"fmt"
	"time"
)

// A Verify in a run's header has each of its trials run a second time, while all CPUs are kept busy, and held against the
// first.
type Verify struct {
	Tolerance time.Duration `json:"tolerance_ns"` // that times of the same thing may differ by
}

// Statuses of a verification.
const (
	Identical  = "identical"  // every entry is the same
	Within     = "within"     // times differ, none by more than the tolerance, and nothing else does
	Differs    = "differs"    // more does: what the testbed shows depends on how busy the machine is
	Unverified = "unverified" // there is no second trial to compare
)

// A Verification compares a trial with its second run under load, entry by entry. Neither what it counts nor the second
// trial is in any figure.
type Verification struct {
	Cell       string  `json:"cell"`
	Repeat     int     `json:"repeat"`
	Wave       int     `json:"wave,omitempty"`
	Status     string  `json:"status"`
	Reason     string  `json:"reason,omitempty"`     // why it is unverified
	Entries    int     `json:"entries"`              // that were compared, of the trial that has more
	Timed      int     `json:"timed"`                // that differ in times alone
	Changed    int     `json:"changed"`              // that differ in more, or are there once only
	Largest    float64 `json:"largest"`              // s; difference of times
	Tolerance  float64 `json:"tolerance"`            // s
	Difference string  `json:"difference,omitempty"` // the first that is more than the tolerance allows, in words
}

// String says which trial it is, and what came of it.
func (v Verification) String() string {
	name := fmt.Sprintf("cell %s, repeat %d", v.Cell, v.Repeat)
	if v.Wave > 0 {
		name += fmt.Sprintf(", wave %d", v.Wave)
	}
	switch v.Status {
	case Differs:
		return name + " came out differently under load: " + v.Difference
	case Unverified:
		return name + " was not verified: " + v.Reason
	}
	return name + " is " + v.Status
}

// Unreliable lists the trials of a run with verification of which it is not shown that they come out the same on a busy
// machine.
func (r *Results) Unreliable() []Verification {
	var all []Verification
	for _, v := range r.Verification {
		if v.Status != Identical && v.Status != Within {
			all = append(all, v)
		}
	}
	return all
}
