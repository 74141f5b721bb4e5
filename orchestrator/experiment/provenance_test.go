package experiment

import (
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
	r := &run{}
	for i, update := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		r.spend(update, time.Duration(i)*time.Second)
	}
	if facts := whereTimeWent(r.spent[:3]); facts != nil {
		t.Errorf("of three updates: %+v", facts)
	}
	r.spend("a", 9*time.Second)
	want := "a 30 %, g 20 %, f 17 %, e 13 %, d 10 %, c 7 %, all others 3 %"
	if facts := whereTimeWent(r.spent); len(facts) != 1 || facts[0].Value != want {
		t.Errorf("%+v, want %s", facts, want)
	}
	if facts := whereTimeWent(make([]spent, 5)); len(facts) != 1 || !strings.Contains(facts[0].Value, " 0 %") {
		t.Errorf("no time at all: %+v", facts)
	}
}
