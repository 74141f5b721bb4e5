package measure

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A difference is one pair of entries, or one entry that the other trial does not have.
type difference struct {
	at      time.Duration // of the earlier one
	time    time.Duration // the largest difference of their times
	content bool          // more than times differs
	level   bool          // of what else differs, all are readings of a level, and near; see sameLevel
	a, b    *entry        // one of them may be nil
}

// resyncWithin is how far align looks for where two streams go on alike.
const resyncWithin = 64

// align pairs the entries of two streams and returns what differs. Where one of them has entries that the other lacks, it
// goes on at the nearest place at which their kinds agree again, so that one lost beat is one difference and not a
// hundred.
func align(a, b []entry) []difference {
	var out []difference
	for len(a) > 0 && len(b) > 0 {
		if a[0].what != b[0].what {
			skipA, skipB := resync(a, b)
			for ; skipA > 0; skipA-- {
				out, a = append(out, difference{at: a[0].at, content: true, a: &a[0]}), a[1:]
			}
			for ; skipB > 0; skipB-- {
				out, b = append(out, difference{at: b[0].at, content: true, b: &b[0]}), b[1:]
			}
			continue
		}
		if d := pair(&a[0], &b[0]); d.content || d.level || d.time > 0 {
			out = append(out, d)
		}
		a, b = a[1:], b[1:]
	}
	for i := range a {
		out = append(out, difference{at: a[i].at, content: true, a: &a[i]})
	}
	for i := range b {
		out = append(out, difference{at: b[i].at, content: true, b: &b[i]})
	}
	return out
}

// resync is how many entries to leave out of each of two streams whose first entries are of different kinds.
func resync(a, b []entry) (skipA, skipB int) {
	for k := 1; k <= resyncWithin; k++ {
		switch {
		case k < len(a) && a[k].what == b[0].what:
			return k, 0
		case k < len(b) && b[k].what == a[0].what:
			return 0, k
		}
	}
	return 1, 1
}

// pair compares two entries of one kind.
func pair(a, b *entry) difference {
	d := difference{at: min(a.at, b.at), time: (a.at - b.at).Abs(), a: a, b: b}
	if bytes.Equal(a.data, b.data) {
		return d
	}
	d.content = len(changedFields(a, b)) > 0 || len(a.times) != len(b.times)
	for i := range min(len(a.times), len(b.times)) {
		if a.times[i].field == b.times[i].field {
			d.time = max(d.time, (a.times[i].value - b.times[i].value).Abs())
		}
	}
	d.level = !d.content && fmt.Sprint(a.fields[levelField]) != fmt.Sprint(b.fields[levelField])
	return d
}

// changedFields names the fields that differ in more than times, in order.
func changedFields(a, b *entry) []string {
	var names []string
	for _, fields := range []map[string]any{a.fields, b.fields} {
		for name := range fields {
			x, inA := a.fields[name]
			y, inB := b.fields[name]
			if inA != inB || fmt.Sprint(x) != fmt.Sprint(y) && !sameLevel(name, x, y) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// levelField is the memory that a host has left, and levelTolerance by how much it may differ in a second run, in bytes. It
// is read while the guest goes on, so that microseconds decide on whether a page of a process that has just ended is among
// it.
const (
	levelField     = "available_bytes"
	levelTolerance = 64 << 10
)

// sameLevel tells whether a field is the reading of a level, and that of both runs the same but for the moment at which it
// was read.
func sameLevel(field string, x, y any) bool {
	a, okA := x.(json.Number)
	b, okB := y.(json.Number)
	if field != levelField || !okA || !okB {
		return false
	}
	m, errA := a.Int64()
	n, errB := b.Int64()
	return errA == nil && errB == nil && max(m, n)-min(m, n) <= levelTolerance && min(m, n) > 0
}

func (d *difference) String() string {
	switch {
	case d.b == nil:
		return fmt.Sprintf("%s at %v: there is none in the second run", d.a.what, d.a.at)
	case d.a == nil:
		return fmt.Sprintf("%s at %v of the second run: there is none in the first", d.b.what, d.b.at)
	}
	text := fmt.Sprintf("%s at %v, in the second run at %v", d.a.what, d.a.at, d.b.at)
	for _, name := range changedFields(d.a, d.b) {
		text += fmt.Sprintf("; %s is %s, in the second run %s", name, short(d.a.fields[name]), short(d.b.fields[name]))
	}
	for i := range min(len(d.a.times), len(d.b.times)) {
		if x, y := d.a.times[i], d.b.times[i]; !d.content && x.field == y.field && (x.value-y.value).Abs() == d.time {
			text += fmt.Sprintf("; %s is %v, in the second run %v", x.field, x.value, y.value)
			break
		}
	}
	return text
}

// short is a field's value in a sentence.
func short(v any) string {
	const enough = 120
	text := fmt.Sprint(v)
	if s, ok := v.(string); ok {
		text = fmt.Sprintf("%q", s)
	}
	if len(text) > enough {
		text = strings.ToValidUTF8(text[:enough], "") + "…"
	}
	return text
}
