package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fleetfall/fleetfall/results"
)

// missing stands for a figure that could not be computed.
const missing = "–"

// amount writes a figure in the unit of its metric, as people say it.
func amount(v float64, unit string) string {
	switch unit {
	case "share", "ratio":
		return share(v)
	case "bytes":
		return size(v)
	case "s":
		return seconds(v)
	}
	return number(v)
}

// share is 0 to 1 in per cent, e.g. "33.3 %". What is not quite none or all never reads as such.
func share(v float64) string {
	switch p := 100 * v; {
	case p > 0 && p < 0.1:
		return "<0.1 %"
	case p > 99.9 && p < 100:
		return ">99.9 %"
	default:
		return strings.Replace(decimals(p, 1), "-", "−", 1) + " %"
	}
}

// size is a number of bytes in binary units, e.g. "1.5 MiB".
func size(v float64) string {
	unit := "B"
	for _, larger := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if math.Abs(v) < 1023.5 {
			break
		}
		v, unit = v/1024, larger
	}
	return number(v) + " " + unit
}

// seconds is a time in the one or two units that tell it, e.g. "850 ms", "4.2 s", "12 min 30 s", "1 h 18 min".
func seconds(v float64) string {
	sign := ""
	if v < 0 {
		sign, v = "−", -v
	}
	switch {
	case v == 0:
		return "0 s"
	case v < 1e-3:
		return sign + decimals(v*1e6, 0) + " µs"
	case v < 0.01:
		return sign + decimals(v*1e3, 1) + " ms"
	case v < 1:
		return sign + decimals(v*1e3, 0) + " ms"
	case v < 59.95:
		return sign + decimals(v, 1) + " s"
	}
	pair := func(v, unit float64, big, small string, ratio int) string {
		n := int(math.Round(v / unit))
		if n%ratio == 0 {
			return fmt.Sprintf("%s%d %s", sign, n/ratio, big)
		}
		return fmt.Sprintf("%s%d %s %d %s", sign, n/ratio, big, n%ratio, small)
	}
	switch {
	case v < 3599.5:
		return pair(v, 1, "min", "s", 60)
	case v < 48*3600-30:
		return pair(v, 60, "h", "min", 60)
	case v < 1e9:
		return pair(v, 3600, "d", "h", 24)
	}
	return sign + number(v/86400) + " d"
}

// number is a count or a mean of counts.
func number(v float64) string {
	if math.Abs(v) >= 1e15 {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	places := 2
	if math.Abs(v) >= 10 {
		places = 1
	}
	if math.Abs(v) >= 100 {
		places = 0
	}
	s := decimals(v, places)
	whole, fraction, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "\u2009" + whole[i:] // thin spaces, as the SI has it
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return strings.Replace(whole, "-", "−", 1)
}

// decimals rounds to n decimals and drops those that are 0.
func decimals(v float64, n int) string {
	s := strconv.FormatFloat(v, 'f', n, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		s = "0"
	}
	return s
}

// optional is a figure in its unit, or missing.
func optional(v *float64, unit string) string {
	if v == nil {
		return missing
	}
	return amount(*v, unit)
}

// value is a metric's figure, or missing; "≥" says that it is no less than that.
func value(m results.Metric) string {
	if m.AtLeast != nil {
		return "≥ " + amount(*m.AtLeast, m.Unit)
	}
	return optional(m.Value, m.Unit)
}

// interval is a metric's interval without brackets, e.g. "51–100 %"; a side that the data leave open, or of which a
// one-sided limit says nothing, is said so. It is empty when there is none, and when it is the figure itself.
func interval(m results.Metric) string {
	switch {
	case m.Lo == nil && m.Hi == nil:
		return ""
	case m.Hi == nil, m.HiAtLeast, m.OneSided && m.Value != nil && *m.Value == *m.Hi:
		if m.Lo == nil {
			return ""
		}
		return "≥ " + amount(*m.Lo, m.Unit)
	case m.Lo == nil, m.OneSided:
		return "≤ " + amount(*m.Hi, m.Unit)
	}
	lo, hi := amount(*m.Lo, m.Unit), amount(*m.Hi, m.Unit)
	if lo == hi && lo == value(m) {
		return ""
	}
	if !slices.Contains([]string{"share", "ratio", "s", "bytes"}, m.Unit) {
		return lo + "–" + hi
	}
	// A unit that both ends share is said once; of two units ("1 min 5 s") neither can be left out.
	if a, unit, ok := strings.Cut(lo, " "); ok && strings.HasSuffix(hi, " "+unit) && strings.Count(hi, " ") == 1 {
		return a + "–" + hi
	}
	return lo + " – " + hi
}

// pValue is a test's P as papers print it.
func pValue(p *float64) string {
	switch {
	case p == nil:
		return missing
	case *p < 0.001:
		return "< 0.001"
	case *p < 0.1:
		return strconv.FormatFloat(*p, 'f', 3, 64)
	}
	return strconv.FormatFloat(*p, 'f', 2, 64)
}

// bounds writes what an expectation asks of a figure in that unit, e.g. "≤ 50 %", "= 0", "1 min to 2 min".
func bounds(e results.Expectation, unit string) string {
	switch {
	case e.Min != nil && e.Max != nil && *e.Min == *e.Max:
		return "= " + amount(*e.Min, unit)
	case e.Min != nil && e.Max != nil:
		return amount(*e.Min, unit) + " to " + amount(*e.Max, unit)
	case e.Min != nil:
		return "≥ " + amount(*e.Min, unit)
	case e.Max != nil:
		return "≤ " + amount(*e.Max, unit)
	}
	return missing
}

// count says how many: count(1, "host") is "1 host", count(2, "host") is "2 hosts".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(float64(n)) + " " + noun + "s"
}
