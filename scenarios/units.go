package scenarios

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"
)

// durationUnits are the units of a duration in the order in which messages list them.
var durationUnits = []string{"ns", "us", "ms", "s", "m", "h", "d"}

// durationSlips are units that people write, with the ones that they mean.
var durationSlips = map[string]string{
	"sec": "s", "secs": "s", "second": "s", "seconds": "s", "min": "m", "mins": "m", "minute": "m", "minutes": "m",
	"hr": "h", "hrs": "h", "hour": "h", "hours": "h", "day": "d", "days": "d", "msec": "ms", "millis": "ms", "S": "s",
	"M": "m", "H": "h", "D": "d", "MS": "ms",
}

// parseDuration reads a sum of numbers with units, such as "1h30m" or "2.5s". A day, "d", is 24 hours. The error says
// how to mend the text; it is a clause without a full stop.
func parseDuration(text string) (time.Duration, error) {
	terms, err := splitUnits(text, `"30s" or "1h30m"`)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, t := range terms {
		unit, scale := t.unit, time.Duration(1)
		if !slices.Contains(durationUnits, unit) {
			return 0, unknownUnit(text, unit, durationSlips[unit], durationUnits)
		}
		if unit == "d" {
			unit, scale = "h", 24
		}
		d, err := time.ParseDuration(t.number + unit)
		if err != nil || d > math.MaxInt64/scale || sum > math.MaxInt64-d*scale {
			return 0, fmt.Errorf("%q is longer than any clock here can count", text)
		}
		sum += d * scale
	}
	return sum, nil
}

// sizeUnits are the units of a size, in bytes.
var sizeUnits = map[string]int64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

var sizeUnitNames = []string{"B", "KiB", "MiB", "GiB", "TiB"}

// parseSize reads a number of bytes with a binary unit, such as "96MiB" or "1.5GiB". The error says how to mend the
// text; it is a clause without a full stop.
func parseSize(text string) (Size, error) {
	terms, err := splitUnits(text, `"96MiB" or "1GiB"`)
	if err != nil {
		return 0, err
	}
	if len(terms) > 1 {
		return 0, fmt.Errorf(`%q has more than one unit; write one number with one unit, such as "96MiB"`, text)
	}
	unit, ok := sizeUnits[terms[0].unit]
	if !ok {
		slip := ""
		if u := terms[0].unit; u != "" && strings.ContainsAny(u[:1], "kKmMgGtT") {
			slip = strings.ToUpper(u[:1]) + "iB"
		}
		return 0, unknownUnit(text, terms[0].unit, slip, sizeUnitNames)
	}
	number, ok := new(big.Rat).SetString(terms[0].number)
	if !ok {
		return 0, fmt.Errorf("%q is not a number", terms[0].number)
	}
	bytes := number.Mul(number, new(big.Rat).SetInt64(unit))
	if !bytes.IsInt() {
		return 0, fmt.Errorf("%q is not a whole number of bytes", text)
	}
	if !bytes.Num().IsInt64() {
		return 0, fmt.Errorf("%q is more bytes than any machine here has", text)
	}
	return Size(bytes.Num().Int64()), nil
}

func unknownUnit(text, unit, meant string, units []string) error {
	if meant != "" {
		return fmt.Errorf("%q has the unknown unit %q; did you mean %q? The units are %s", text, unit, meant, andList(units))
	}
	return fmt.Errorf("%q has the unknown unit %q; the units are %s", text, unit, andList(units))
}

type term struct{ number, unit string }

// splitUnits cuts text into numbers with their units.
func splitUnits(text, example string) ([]term, error) {
	switch {
	case text == "":
		return nil, fmt.Errorf("the text is empty; write a number with a unit, such as %s", example)
	case len(text) > 64:
		return nil, fmt.Errorf("the text has %d characters; write a number with a unit, such as %s", len(text), example)
	case strings.ContainsAny(text, " \t\r\n"):
		return nil, fmt.Errorf("%q has a space in it; write number and unit together, such as %s", text, example)
	case text[0] == '-':
		return nil, fmt.Errorf("%q is negative", text)
	}
	var terms []term
	for rest := text; rest != ""; {
		number, after := cutWhile(rest, func(r rune) bool { return r >= '0' && r <= '9' || r == '.' })
		unit, next := cutWhile(after, func(r rune) bool { return !(r >= '0' && r <= '9' || r == '.') })
		switch {
		case strings.Trim(number, ".") == "" || strings.Count(number, ".") > 1:
			return nil, fmt.Errorf("%q is not a number with a unit, such as %s", text, example)
		case unit == "":
			return nil, fmt.Errorf("%q has a number without a unit; write it with its unit, such as %s", text, example)
		}
		terms = append(terms, term{number, unit})
		rest = next
	}
	return terms, nil
}

func cutWhile(s string, in func(rune) bool) (head, tail string) {
	if i := strings.IndexFunc(s, func(r rune) bool { return !in(r) }); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// sizeText is a size with the largest unit that leaves a whole number, e.g. "96MiB".
func sizeText(n Size) string {
	for _, unit := range slices.Backward(sizeUnitNames) {
		if u := sizeUnits[unit]; int64(n)%u == 0 && (n != 0 || u == 1) {
			return fmt.Sprintf("%d%s", int64(n)/u, unit)
		}
	}
	return fmt.Sprintf("%dB", int64(n))
}

// durationText is a duration as a scenario would have it: "78m" and not "1h18m0s".
func durationText(d time.Duration) string {
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}} {
		if d != 0 && d%u.size == 0 {
			return fmt.Sprintf("%d%s", d/u.size, u.name)
		}
	}
	return d.String()
}
