package measure

import (
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
)

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
