package measure

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
)

// verifications compares every trial that came to an end with its second run, in the order of the plan's cells.
func verifications(j *results.Journal) []results.Verification {
	if j.Verify == nil {
		return nil
	}
	var out []results.Verification
	for _, c := range j.Plan.Cells {
		for _, t := range j.Trials {
			if t.Cell == c.ID && t.Verifies == 0 && t.Counts() {
				out = append(out, verify(t, secondOf(j, t), j.Verify.Tolerance))
			}
		}
	}
	return out
}

// secondOf is the second run of a trial; nil when it was not begun.
func secondOf(j *results.Journal, first *results.TrialRecord) *results.TrialRecord {
	for _, t := range j.Trials {
		if t.Verifies == first.Number && !t.Superseded {
			return t
		}
	}
	return nil
}

// verify compares a trial with its second run. Both are taken apart into what is in order by itself: the events of one host,
// its actions of one kind, timers of one name, and what concerns the whole trial. Within each, entries are compared one by
// one; between them, the order is that of their times, which may change when those do.
func verify(first, second *results.TrialRecord, tolerance time.Duration) results.Verification {
	v := results.Verification{Cell: first.Cell, Repeat: first.Repeat, Wave: first.Wave, Tolerance: tolerance.Seconds()}
	switch {
	case second == nil:
		v.Status, v.Reason = results.Unverified, "it was not run a second time"
		return v
	case !second.Counts():
		v.Status, v.Reason = results.Unverified, "its second run was "+second.Status
		if second.Reason != "" {
			v.Reason += ": " + second.Reason
		}
		return v
	}
	a, b := entriesOf(first), entriesOf(second)
	v.Entries = max(len(a), len(b))
	same := slices.EqualFunc(a, b, func(x, y entry) bool { return x.at == y.at && x.what == y.what && bytes.Equal(x.data, y.data) })

	var most time.Duration
	var worst *difference // the first that is not allowed
	streamsA, streamsB := streams(a), streams(b)
	for _, name := range union(a, b) {
		for _, d := range align(streamsA[name], streamsB[name]) {
			most = max(most, d.time)
			if d.content {
				v.Changed++
			} else {
				v.Timed++
			}
			if (d.content || d.time > tolerance || d.level && tolerance == 0) && (worst == nil || d.at < worst.at) {
				worst = &d
			}
		}
	}
	v.Largest = most.Seconds()
	switch {
	case worst != nil:
		v.Status, v.Difference = results.Differs, worst.String()
	case same:
		v.Status = results.Identical
	default:
		v.Status = results.Within
	}
	return v
}

// An entry is one line of a trial's record, as it is compared with that of another.
type entry struct {
	at     time.Duration
	stream string // within which its place is compared
	what   string // in words: "beat of kernel-01"
	data   []byte // all of it but the time, as in the journal
	fields map[string]any
	times  []stamp // taken out of fields, and out of what is in them, in the order of their paths
}

// A stamp is a duration within an entry.
type stamp struct {
	field string // its path, e.g. "loads[0].total_ns"
	value time.Duration
}

// entriesOf are all that is recorded of a trial, its end included, in order.
func entriesOf(t *results.TrialRecord) []entry {
	const whole = "the trial"
	var all []entry
	for _, s := range t.Steps() {
		switch timer, isTimer := s.Event.(fleet.TimerFired); {
		case isTimer:
			all = append(all, newEntry(s.At, "timer "+timer.Tag, "timer "+timer.Tag, s.Event))
		case s.Event != nil && s.Host == "":
			all = append(all, newEntry(s.At, whole, s.Event.Kind(), s.Event))
		case s.Event != nil:
			all = append(all, newEntry(s.At, "events of "+s.Host, s.Event.Kind()+" of "+s.Host, s.Event))
		case s.Action != nil:
			what := s.Action.Kind() + " of " + s.Host
			all = append(all, newEntry(s.At, "action "+what, "action "+what, s.Action))
		default:
			all = append(all, newEntry(s.At, whole, "mark "+s.Mark, nil))
		}
	}
	return append(all, newEntry(t.End, whole, "end", map[string]string{"status": t.Status, "reason": t.Reason}))
}

func newEntry(at time.Duration, stream, what string, payload any) entry {
	e := entry{at: at, stream: stream, what: what}
	data, err := json.Marshal(payload)
	if err != nil {
		return e // nothing that a journal holds
	}
	e.data = data
	numbers := json.NewDecoder(bytes.NewReader(data))
	numbers.UseNumber() // a version does not fit into a float
	if err := numbers.Decode(&e.fields); err != nil {
		e.fields = nil
	}
	e.takeTimes("", e.fields)
	slices.SortFunc(e.times, func(a, b stamp) int { return cmp.Compare(a.field, b.field) })
	return e
}

// takeTimes moves the durations of value, and of what is in it, to e.times. They are named by their path.
func (e *entry) takeTimes(path string, value any) {
	switch value := value.(type) {
	case []any:
		for i, item := range value {
			e.takeTimes(fmt.Sprintf("%s[%d]", path, i), item)
		}
	case map[string]any:
		for name, field := range value {
			within := strings.TrimPrefix(path+"."+name, ".")
			number, ok := field.(json.Number)
			if !ok || !strings.HasSuffix(name, "_ns") { // so are all durations in a journal
				e.takeTimes(within, field)
				continue
			}
			if n, err := number.Int64(); err == nil {
				e.times = append(e.times, stamp{within, time.Duration(n)})
				delete(value, name)
			}
		}
	}
}

func streams(all []entry) map[string][]entry {
	byName := map[string][]entry{}
	for _, e := range all {
		byName[e.stream] = append(byName[e.stream], e)
	}
	return byName
}

// union lists the streams of both in the order in which they begin.
func union(a, b []entry) []string {
	var names []string
	seen := map[string]bool{}
	for _, e := range slices.Concat(a, b) {
		if !seen[e.stream] {
			seen[e.stream] = true
			names = append(names, e.stream)
		}
	}
	return names
}
