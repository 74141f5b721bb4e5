package guestlink

import (
	"strings"
	"unicode"
)

// Printable makes a guest's text fit for journals and terminals: lines stay, control characters do not.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\r':
			return -1
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
}

// Clip is the beginning of a guest's text, printable and of at most n bytes.
func Clip(text string, n int) string {
	if len(text) > n {
		text = text[:n] + "…"
	}
	return Printable(strings.ToValidUTF8(text, "?"))
}
