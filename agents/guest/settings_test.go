package main

import (
	"strings"
	"testing"
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
		{"fleetfall.architecture=cloud", settings{"normal", "none", "port"}, false, "fleetfall.architecture=cloud: want one of ebpf, hybrid, kernel, none, safe, user"},
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
