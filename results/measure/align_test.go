package measure

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
)

// kinds are entries of which only what they are matters.
func kinds(what ...string) []entry {
	var entries []entry
	for _, w := range what {
		entries = append(entries, entry{what: w})
	}
	return entries
}

// TestResync: two streams go on at the nearest place at which they agree, unless that is too far.
func TestResync(t *testing.T) {
	after := func(n int) []entry { return append(kinds(slices.Repeat([]string{"beat"}, n)...), kinds("panic")...) }
	for _, tt := range []struct {
		name         string
		a, b         []entry
		skipA, skipB int
	}{
		{"one more in the first", kinds("beat", "panic"), kinds("panic"), 1, 0},
		{"one more in the second", kinds("panic"), kinds("beat", "panic"), 0, 1},
		{"three more", after(3), kinds("panic", "hello"), 3, 0},
		{"three more in the second", kinds("panic", "hello"), after(3), 0, 3},
		{"the nearest", kinds("beat", "hello", "panic"), kinds("panic", "beat"), 0, 1},
		{"nothing in common", kinds("beat", "hello"), kinds("panic", "exit"), 1, 1},
		{"the last of both", kinds("beat"), kinds("panic"), 1, 1},
		{"as far as it may be", after(resyncWithin), kinds("panic"), resyncWithin, 0},
		{"too far", after(resyncWithin + 1), kinds("panic"), 1, 1},
	} {
		if skipA, skipB := resync(tt.a, tt.b); skipA != tt.skipA || skipB != tt.skipB {
			t.Errorf("%s: %d and %d are left out, want %d and %d", tt.name, skipA, skipB, tt.skipA, tt.skipB)
		}
	}
}

// TestSameLevel: only the memory that is left may differ, and only where both runs say what it is.
func TestSameLevel(t *testing.T) {
	for _, tt := range []struct {
		field string
		x, y  any
		want  bool
	}{
		{levelField, json.Number("1048576"), json.Number("1114112"), true},
		{levelField, json.Number("1114112"), json.Number("1048576"), true},
		{levelField, json.Number("1048576"), json.Number("1114113"), false},
		{"work_units", json.Number("1048576"), json.Number("1048577"), false},
		{levelField, json.Number("0"), json.Number("4096"), false},
		{levelField, json.Number("4096"), json.Number("-4096"), false},
		{levelField, json.Number("9223372036854775807"), json.Number("-9223372036854775808"), false},
		{levelField, json.Number("4096"), nil, false},
		{levelField, nil, json.Number("4096"), false},
		{levelField, json.Number("4096"), json.Number("4096.5"), false},
		{levelField, json.Number("4096.5"), json.Number("4096"), false},
	} {
		if got := sameLevel(tt.field, tt.x, tt.y); got != tt.want {
			t.Errorf("%s of %v and %v: the same is %v", tt.field, tt.x, tt.y, got)
		}
	}
}

// TestShort: what a sentence shows of a field is cut, though in no letter.
func TestShort(t *testing.T) {
	digits := strings.Repeat("7", 120)
	for _, tt := range []struct {
		value any
		want  string
	}{
		{nil, "<nil>"},
		{"normal", `"normal"`},
		{json.Number(digits), digits},
		{json.Number(digits + "7"), digits + "…"},
		{strings.Repeat("é", 90), `"` + strings.Repeat("é", 59) + "…"},
	} {
		if got := short(tt.value); got != tt.want {
			t.Errorf("%v is shown as %s, want %s", tt.value, got, tt.want)
		}
	}
}

// FuzzVerify: whatever guests say is the same as itself, and is as different from anything else as that is from it. A byte
// of events is one event: what it is, of which host, and how long after the one before.
func FuzzVerify(f *testing.F) {
	for _, text := range []string{"", "[   12.345678] BUG", "[12.3456789]", "[ 999999999.999999]", "[", "[]", "\xff[1.000000]", "[ 1.000001][ 2.000002]"} {
		f.Add(text, []byte{0, 1, 2, 3, 4}, text+" ", []byte{1, 2, 3, 8, 200})
	}
	trial := func(text string, events []byte) *results.TrialRecord {
		t := &results.TrialRecord{Status: "settled"}
		for _, b := range events {
			t.End += time.Duration(b) * time.Millisecond
			e := fleet.Event{At: t.End, Host: []string{"a", "b"}[b>>2&1], What: fleet.GuestLog{Text: text}}
			switch b & 3 {
			case 0:
				e.What = fleet.Beat{WorkUnits: int(b), Uptime: t.End}
			case 1:
				e.What = fleet.Panic{Excerpt: text}
			case 2:
				e.Host, e.What = "", fleet.TimerFired{Tag: "tick"}
			}
			t.Events = append(t.Events, e)
		}
		return t
	}
	f.Fuzz(func(t *testing.T, textA string, eventsA []byte, textB string, eventsB []byte) {
		const tolerance = time.Millisecond
		a, b := trial(textA, eventsA), trial(textB, eventsB)
		if v := verify(a, a, tolerance); v.Status != results.Identical || v.Entries != len(eventsA)+1 {
			t.Errorf("with itself: %+v", v)
		}
		there, back := verify(a, b, tolerance), verify(b, a, tolerance)
		if (there.Status == results.Differs) != (back.Status == results.Differs) || (there.Status == results.Identical) != (back.Status == results.Identical) {
			t.Errorf("%+v\nand the other way round\n%+v", there, back)
		}
		if n := there.Timed + there.Changed; n > len(eventsA)+len(eventsB)+2 {
			t.Errorf("%d of %d and %d events differ", n, len(eventsA), len(eventsB))
		}
		if (there.Status == results.Differs) != (there.Difference != "") {
			t.Errorf("%+v", there)
		}
	})
}
