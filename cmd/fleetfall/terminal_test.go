package main

import "testing"

func TestTerminalFor(t *testing.T) {
	for name, test := range map[string]struct {
		environ map[string]string
		is      bool
		color   bool
	}{
		"as most are":    {map[string]string{"TERM": "xterm-256color"}, true, true},
		"dumb":           {map[string]string{"TERM": "dumb"}, false, false},
		"nothing said":   {nil, false, false},
		"no colours":     {map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, true, false},
		"empty NO_COLOR": {map[string]string{"TERM": "xterm", "NO_COLOR": ""}, true, true},
	} {
		want := terminal{is: test.is, width: 80, color: test.color}
		if got := terminalFor(80, func(name string) string { return test.environ[name] }); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}
