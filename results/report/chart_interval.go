package report

import (
	"html/template"

	"github.com/fleetfall/fleetfall/results"
)

// intervalGlyph draws a figure and its interval on the metric's scale, the same for all cells of a row. It repeats
// what the text beside it says, and is hidden from screen readers.
func intervalGlyph(m results.Metric, scale float64) template.HTML {
	if m.Value == nil || scale <= 0 {
		return ""
	}
	const width, left, right, y = 124.0, 4.0, 120.0, 6.0
	x := func(v float64) float64 { return left + min(1, max(0, v/scale))*(right-left) }
	var d drawing
	d.line(left, y, right, y, "guide")
	switch {
	case m.Lo != nil && m.Hi != nil:
		d.line(x(*m.Lo), y, x(*m.Hi), y, "ci")
	case m.Lo != nil: // no upper limit
		d.line(x(*m.Lo), y, right, y, "ci")
		d.path("M116 2.5L121 6L116 9.5", "ciopen", "")
	}
	d.add(`<circle class="dot" cx="%s" cy="%s" r="3.5"/>`, xy(x(*m.Value)), xy(y))
	return template.HTML(`<svg class="glyph" aria-hidden="true" viewBox="0 0 124 12">` + d.b.String() + `</svg>`)
}

// scaleOf is the end of a row's scale: 1 for shares, else a quarter more than the largest figure or limit in the row,
// so that an interval without upper limit is seen to go on.
func scaleOf(cells []results.Cell, key string) float64 {
	scale := 0.0
	for _, c := range cells {
		m := c.Metrics[key]
		if m.Unit == "share" {
			return 1
		}
		for _, v := range []*float64{m.Value, m.Lo, m.Hi} {
			if v != nil {
				scale = max(scale, *v)
			}
		}
	}
	return 1.25 * scale
}
