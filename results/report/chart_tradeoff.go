package report

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
)

// A fleetMark is a fleet's place in the trade-off chart.
type fleetMark struct {
	x, y, r  float64
	atX, atY float64 // where it belongs: elsewhere when it was moved off another mark
	label    string
	labelY   float64
	series   int
	unknown  bool // of overhead
}

// noTradeoff says why there is no trade-off to draw: all fleets that have both figures are in one place. It is empty
// when there is one, and when fewer than two fleets have both.
func noTradeoff(fleets []fleetSummary) string {
	var names []string
	var first fleetSummary
	for _, f := range fleets {
		switch {
		case f.Blast == nil || f.Visibility == nil:
			continue
		case len(names) == 0:
			first = f
		case share(*f.Blast) != share(*first.Blast) || share(*f.Visibility) != share(*first.Visibility):
			return ""
		}
		names = append(names, f.Fleet)
	}
	if len(names) < 2 {
		return ""
	}
	return fmt.Sprintf("No trade-off is drawn: %s have the same blast radius (%s, mean over the faults) and the same visibility (%s).",
		some(names), share(*first.Blast), share(*first.Visibility))
}

// tradeoffChart draws each fleet by how far damage spreads on it (across), what its agent sees (up) and what that costs (the
// mark's area). It is empty unless two fleets at least have both figures, and differ in one of them.
func tradeoffChart(id string, fleets []fleetSummary) template.HTML {
	const (
		width, height            = 800.0, 424.0
		left, right, top, bottom = 100.0, 540.0, 32.0, 340.0 // marks at the ends reach beyond them
		labels                   = right + 60
	)
	var marks []fleetMark
	var desc []string
	for i, f := range fleets {
		if f.Blast == nil || f.Visibility == nil {
			continue
		}
		m := fleetMark{
			x: left + min(1, max(0, *f.Blast))*(right-left), y: bottom - min(1, max(0, *f.Visibility))*(bottom-top),
			r: radius(f.Overhead), series: i % seriesCount, unknown: f.Overhead == nil,
			label: fmt.Sprintf("%s, %s", shorten(f.Fleet, 18), overheadText(f)),
		}
		m.atX, m.atY = m.x, m.y
		marks = append(marks, m)
		desc = append(desc, fmt.Sprintf("%s: blast radius %s, visibility %s, %s", f.Fleet, share(*f.Blast), share(*f.Visibility), overheadText(f)))
	}
	if len(marks) < 2 || noTradeoff(fleets) != "" {
		return ""
	}
	var d drawing
	for _, p := range []float64{0, 0.25, 0.5, 0.75, 1} {
		x, y := left+p*(right-left), bottom-p*(bottom-top)
		d.line(left, y, right, y, "guide")
		d.text(left-32, y+4, "label end", decimals(100*p, 0)+" %")
		d.line(x, top, x, bottom, "guide")
		d.text(x, bottom+42, "label mid", decimals(100*p, 0)+" %")
	}
	d.text((left+right)/2, bottom+66, "label mid quiet", "blast radius, mean over the faults: less is better")
	d.add(`<text class="label mid quiet" transform="translate(12 %s) rotate(-90)">visibility: more is better</text>`, xy((top+bottom)/2))
	spread(marks, axis{left: left, right: right}, top, bottom)
	placeLabels(marks, top, bottom+16)
	for _, m := range marks {
		d.add(`<path class="lead c%d" d="M%s %sL%s %sH%s"/>`, m.series, xy(m.x+m.r), xy(m.y), xy(labels-22), xy(m.labelY-4), xy(labels-4))
	}
	for _, m := range marks {
		class := fmt.Sprintf("fleet c%d", m.series)
		if m.unknown {
			class += " unknown"
		}
		d.add(`<circle class="%s" cx="%s" cy="%s" r="%s"`, class, xy(m.x), xy(m.y), xy(m.r))
		d.titled("circle", m.label)
		d.text(labels, m.labelY, "label", m.label)
	}
	for _, m := range marks {
		if m.x != m.atX || m.y != m.atY {
			d.line(m.x, m.y, m.atX, m.atY, fmt.Sprintf("tether c%d", m.series))
			d.add(`<circle class="place" cx="%s" cy="%s" r="2"/>`, xy(m.atX), xy(m.atY))
		}
	}
	return d.svg(id, width, height, "Fleets by blast radius, visibility and overhead", strings.Join(desc, "; ")+".")
}

// spread moves marks that would hide one another apart within the plot, the smaller off the larger and no further
// than it takes, sideways rather than up or down.
func spread(marks []fleetMark, a axis, top, bottom float64) {
	const gap, step, directions = 2.0, 2.0, 12
	slices.SortStableFunc(marks, func(a, b fleetMark) int { return cmp.Compare(b.r, a.r) })
	fits := func(i int, x, y float64) bool {
		if x < a.left || x > a.right || y < top || y > bottom {
			return false
		}
		return !slices.ContainsFunc(marks[:i], func(m fleetMark) bool { return math.Hypot(m.x-x, m.y-y) < m.r+marks[i].r+gap })
	}
	for i := range marks {
		m := &marks[i]
	search:
		for far := 0.0; far < a.right-a.left; far += step {
			for n := range directions {
				angle := math.Pi * float64(n%2*directions/2+n/2) * 2 / directions // to the right, to the left, then turning
				if x, y := m.atX+far*math.Cos(angle), m.atY+far*math.Sin(angle); fits(i, x, y) {
					m.x, m.y = x, y
					break search
				}
			}
		}
	}
}

// radius has the mark's area grow with the overhead, from a dot for none to a bound at twice the time.
func radius(overhead *float64) float64 {
	if overhead == nil {
		return 6
	}
	return 5 + 22*math.Sqrt(min(1, max(0, *overhead)))
}

func overheadText(f fleetSummary) string {
	if f.Overhead == nil {
		return "overhead not known"
	}
	return "overhead " + share(*f.Overhead)
}

// placeLabels gives each mark a line of text of its own at the right, in the order from top to bottom, near its mark.
func placeLabels(marks []fleetMark, top, bottom float64) {
	const line = 17.0
	slices.SortStableFunc(marks, func(a, b fleetMark) int { return cmp.Or(cmp.Compare(a.y, b.y), cmp.Compare(b.x, a.x)) })
	y := top
	for i := range marks {
		marks[i].labelY = max(y, marks[i].y+4)
		y = marks[i].labelY + line
	}
	for i, y := len(marks)-1, bottom; i >= 0 && marks[i].labelY > y; i-- { // those pushed out below push up
		marks[i].labelY = y
		y -= line
	}
}
