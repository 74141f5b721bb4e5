package experiment

import (
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt"
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

func TestBootsSaysWhyThereAreNoCopies(t *testing.T) {
	for _, c := range []struct {
		clock fleet.Clock
		p     libvirt.Preparation
		want  string
	}{
		{fleet.WallClock, libvirt.Preparation{Copies: true, Reason: "kept in /x"}, "copies of a template, unless a fleet is to boot cold"},
		{fleet.VirtualClock, libvirt.Preparation{Copies: true}, "go on from a template that is about to mount its disk, unless a fleet is to boot cold: the same to the nanosecond"},
		{fleet.VirtualClock, libvirt.Preparation{Reason: "try a copy: no"}, "cold: try a copy: no"},
		{fleet.WallClock, libvirt.Preparation{Reason: "no", Boot: libvirt.Boot{Asked: 2.5e9}, Overhead: 90 << 20, Own: 30 << 20},
			"cold: no; a cold boot took 2.5 s to the guest's first request, and QEMU 90 MiB besides the guest's memory; a copy had 30 MiB of its own at its first beat"},
	} {
		if got := (&run{clock: c.clock}).boots(c.p); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
