package experiment

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/results"
)

func TestLoadIsAShare(t *testing.T) {
	l := startLoad()
	l.stop()
	l.busy, l.total = l.busy-30, l.total-100
	named := map[string]string{}
	for _, f := range l.facts() {
		named[f.Name] = f.Value
	}
	for name, want := range map[string]string{
		"contention": "% busy", "CPU of fleetfall itself": "% of what was busy", "least memory available during the run": " MiB",
	} {
		if !strings.Contains(named[name], want) {
			t.Errorf("%s is %q, want something with %q", name, named[name], want)
		}
	}
	if facts := (&load{}).facts(); len(facts) != 1 || facts[0] != (results.Fact{Name: "contention", Value: "unknown"}) {
		t.Errorf("a load that was never started says %+v", facts)
	}
}

func TestWhereTimeWent(t *testing.T) {
	var s spending
	var now time.Time
	spend := func(update string, took time.Duration) {
		s.begin(update, now)
		now = now.Add(took)
		s.end(update, now)
	}
	for i, update := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		spend(update, time.Duration(i)*time.Second)
	}
	if facts := whereTimeWent(s.all[:3]); facts != nil {
		t.Errorf("of three updates: %+v", facts)
	}
	spend("a", 9*time.Second)
	want := "a 30 %, g 20 %, f 17 %, e 13 %, d 10 %, c 7 %, all others 3 %"
	if facts := whereTimeWent(s.all); len(facts) != 1 || facts[0].Value != want {
		t.Errorf("%+v, want %s", facts, want)
	}
	if facts := whereTimeWent(make([]spent, 5)); len(facts) != 1 || !strings.Contains(facts[0].Value, " 0 %") {
		t.Errorf("no time at all: %+v", facts)
	}
}

// TestTimeIsSpentOnce, however many trials are under way: each gets an equal part.
func TestTimeIsSpentOnce(t *testing.T) {
	var s spending
	at := func(seconds int) time.Time { return time.Time{}.Add(time.Duration(seconds) * time.Second) }
	s.begin("a", at(10))
	s.begin("b", at(14)) // a alone for 4 s
	s.begin("a", at(20)) // both for 6 s
	s.end("a", at(26))   // three for 6 s
	s.end("b", at(30))   // two for 4 s
	s.end("a", at(31))   // one for 1 s
	want := []spent{{"a", (4 + 3 + 4 + 2 + 1) * time.Second}, {"b", (3 + 2 + 2) * time.Second}}
	if !slices.Equal(s.all, want) {
		t.Errorf("spent %v, want %v", s.all, want)
	}
}
