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

// Lists and errors on a terminal are broken between words.
func TestWrapped(t *testing.T) {
	for _, test := range []struct {
		text          string
		column, width int
		want          string
	}{
		{"self_wait, truncated and zero_filled", 0, 20, "self_wait, truncated\nand zero_filled"},
		{"self_wait, truncated and zero_filled", 4, 24, "self_wait, truncated\n    and zero_filled"},
		{"  beat = 1s  A sign of life.", 0, 20, "  beat = 1s  A\n    sign of life."},
		{"one\ntwo three", 0, 8, "one\ntwo\nthree"},
		{"false_positive_updater", 0, 10, "false_positive_updater"},
		{"a list", 30, 40, "a list"},
		{"", 0, 10, ""},
	} {
		if got := wrapped(test.text, test.column, test.width); got != test.want {
			t.Errorf("%q in column %d of %d: %q, want %q", test.text, test.column, test.width, got, test.want)
		}
	}
}
