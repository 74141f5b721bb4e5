package main

import "testing"

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
