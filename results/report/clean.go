package report

import (
	"math"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fleetfall/fleetfall/results"
)

// maxText bounds each text of a report, in bytes: a guest chose some of them.
const maxText = 64 << 10

// cleaned is a deep copy of r that is safe to show: each text without terminal sequences and other invisible
// characters, each figure finite. It walks the whole structure, so that no field can be forgotten.
func cleaned(r *results.Results) *results.Results {
	return clean(reflect.ValueOf(r)).Interface().(*results.Results)
}

func clean(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.String:
		out.SetString(cleanText(v.String()))
	case reflect.Float64:
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			out.SetFloat(f)
		}
	case reflect.Pointer:
		if v.IsNil() {
			break
		}
		if f, ok := v.Interface().(*float64); ok && (math.IsNaN(*f) || math.IsInf(*f, 0)) {
			break // a figure that is none is shown as missing
		}
		out.Set(reflect.New(v.Type().Elem()))
		out.Elem().Set(clean(v.Elem()))
	case reflect.Struct:
		for i := range v.NumField() {
			out.Field(i).Set(clean(v.Field(i)))
		}
	case reflect.Slice:
		if v.IsNil() {
			break
		}
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(clean(v.Index(i)))
		}
	case reflect.Map:
		if v.IsNil() {
			break
		}
		out.Set(reflect.MakeMap(v.Type()))
		for key, value := range v.Seq2() {
			out.SetMapIndex(clean(key), clean(value))
		}
	default:
		out.Set(v)
	}
	return out
}

// cleanText drops terminal sequences, bidirectional controls and other characters that do not show, keeps line ends
// and tabs, replaces what is not UTF-8, and cuts the text at maxText.
func cleanText(s string) string {
	truncated := len(s) > maxText
	if truncated {
		s = s[:maxText]
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	var b strings.Builder
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case c == 0x1b:
			i += escapeSequence(s[i:])
			continue
		case c == '\n' || c == '\t':
			b.WriteRune(c)
		case c == '\r':
			b.WriteByte('\n')
		case c == utf8.RuneError && size <= 1:
			b.WriteRune(utf8.RuneError)
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case unicode.IsSpace(c):
			b.WriteByte(' ')
		}
		i += size
	}
	if truncated {
		b.WriteString(" … (cut)")
	}
	return b.String()
}

// escapeSequence is the length of the ECMA-48 sequence that s begins with: CSI up to its final byte, OSC and the other
// strings up to BEL or ST, anything else two bytes.
func escapeSequence(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[':
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return i + 1
			}
			if s[i] < 0x20 || s[i] > 0x7e {
				return i // no such sequence; what follows is text
			}
		}
		return len(s)
	case ']', 'P', 'X', '^', '_':
		for i := 2; i < len(s) && s[i] != '\n'; i++ {
			if s[i] == 7 {
				return i + 1
			}
			if s[i] == 0x1b {
				return i // ST is a sequence itself
			}
		}
		return 2
	}
	if s[1] >= 0x20 && s[1] <= 0x7e {
		return 2
	}
	return 1
}

// oneLine joins the lines of a text.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
