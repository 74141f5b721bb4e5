package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/architecture"
)

func TestParseSettings(t *testing.T) {
	for _, c := range []struct {
		line  string
		want  settings
		agent bool
		logs  string // part of what is logged; "" for nothing
	}{
		{"console=ttyS0 quiet fleetfall.architecture=kernel fleetfall.mode=normal\n", settings{"normal", "kernel", "port"}, true, ""},
		{"fleetfall.architecture=user fleetfall.mode=safe", settings{"safe", "user", "port"}, false, ""},
		{"fleetfall.architecture=hybrid", settings{"normal", "hybrid", "port"}, true, ""},
		{"fleetfall.architecture=none", settings{"normal", "none", "port"}, false, ""},
		{"fleetfall.mode=safe fleetfall.mode=normal fleetfall.architecture=user", settings{"normal", "user", "port"}, true, ""},
		{"", settings{"normal", "none", "port"}, false, ""},
		{"fleetfall.architecture=cloud", settings{"normal", "none", "port"}, false, "fleetfall.architecture=cloud: want one of " + strings.Join(architecture.Names(), ", ")},
		{"fleetfall.mode", settings{"normal", "none", "port"}, false, "fleetfall.mode: want normal"},
	} {
		var console strings.Builder
		got := parseSettings(c.line, newLogger(&console))
		if _, agent := got.agent(); got != c.want || agent != c.agent {
			t.Errorf("%q: got %+v with agent %v, want %+v with %v", c.line, got, agent, c.want, c.agent)
		}
		if !strings.Contains(console.String(), c.logs) || c.logs == "" && console.Len() > 0 {
			t.Errorf("%q: logged %q, want %q", c.line, console.String(), c.logs)
		}
	}
}

func TestEachArchitectureIsStarted(t *testing.T) {
	if started := slices.Sorted(maps.Keys(partsOf())); !slices.Equal(started, architecture.Names()) {
		t.Errorf("started are %q, and the architectures are %q", started, architecture.Names())
	}
	for name, p := range partsOf() {
		if starts := p.module != "" || p.daemon != nil; starts != (name != architecture.None) {
			t.Errorf("%s: a boot starts a module %q and a daemon %q", name, p.module, p.daemon)
		}
	}
}

func FuzzParseSettings(f *testing.F) {
	f.Add("quiet fleetfall.architecture=kernel fleetfall.mode=safe")
	f.Add("fleetfall.mode= =")
	f.Fuzz(func(t *testing.T, line string) {
		s := parseSettings(line, newLogger(t.Output()))
		if s.mode != normalMode && s.mode != safeMode || s.architecture == "" {
			t.Errorf("%q: got %+v", line, s)
		}
	})
}
