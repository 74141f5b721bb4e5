// Package printable makes text that somebody else has chosen fit for a terminal: names of files and variables, and what
// errors say of them.
package printable

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text is text with a Go escape such as \x1b in the place of all that is not printed or changes how the rest is:
// control characters but newline and tab, characters that turn the direction of writing, and bytes that are no UTF-8.
func Text(text string) string { return escape(text, "\n\t") }

// Line is Text for what has to stay in one line: newlines and tabs are escaped too.
func Line(text string) string { return escape(text, "") }

func escape(text, keep string) string {
	good := func(r rune, size int) bool {
		return strconv.IsPrint(r) && (r != utf8.RuneError || size > 1) || strings.ContainsRune(keep, r) || r == '\u00a0'
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case good(r, size):
			b.WriteString(text[:size])
		case r == utf8.RuneError:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[size:]
	}
	return b.String()
}
