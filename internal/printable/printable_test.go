package printable

import "testing"

func TestText(t *testing.T) {
	for _, test := range []struct{ text, want, line string }{
		{"plain – “text”, 日本", "plain – “text”, 日本", "plain – “text”, 日本"},
		{"a\tb\nc", "a\tb\nc", `a\tb\nc`},
		{"\x1b[31mred\x1b]0;title\a", `\x1b[31mred\x1b]0;title\a`, `\x1b[31mred\x1b]0;title\a`},
		{"a\rb\x00\x7f\u0085", `a\rb\x00\x7f\u0085`, `a\rb\x00\x7f\u0085`},
		{"a\u202eb\u2066c", `a\u202eb\u2066c`, `a\u202eb\u2066c`},
		{"\xff\xc3(", `\xff\xc3(`, `\xff\xc3(`},
		{"\ufffd", "\ufffd", "\ufffd"},
		{"5\u00a0%", "5\u00a0%", "5\u00a0%"},
		{"", "", ""},
	} {
		if got := Text(test.text); got != test.want {
			t.Errorf("Text(%q) = %q, want %q", test.text, got, test.want)
		}
		if got := Line(test.text); got != test.line {
			t.Errorf("Line(%q) = %q, want %q", test.text, got, test.line)
		}
	}
}
