package report

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"

	"github.com/fleetfall/fleetfall/results"
)

// Lanes of a cell's timeline: so many have room for marks and texts, more are drawn thin, and still more not all.
const (
	roomyLanes = 50
	maxLanes   = 300
)

// lanes picks the hosts to draw: all when they fit, else those that lost the most time, worst first.
func lanes(hosts []results.HostDetail) []results.HostDetail {
	if len(hosts) <= maxLanes {
		return hosts
	}
	worst := slices.Clone(hosts)
	slices.SortStableFunc(worst, func(a, b results.HostDetail) int { return cmp.Compare(lost(b), lost(a)) })
	return worst[:maxLanes]
}

// lost is a host's unavailable time after the injection in seconds.
func lost(h results.HostDetail) float64 {
	sum := 0.0
	for _, s := range h.Spans {
		if i := severity(s.State); i >= 0 && !states()[i].Available {
			sum += max(0, s.To-max(0, s.From))
		}
	}
	return sum
}

// A laneShape is how a timeline's lanes lie, in pixels.
type laneShape struct {
	pitch, thick float64
	every        int // lanes with a label
}

func shapeOf(lanes int) laneShape {
	if lanes <= roomyLanes {
		return laneShape{22, 12, 1}
	}
	const height, label = 1200, 12.0
	pitch := min(label, max(height/maxLanes, math.Floor(height/float64(lanes))))
	return laneShape{pitch, pitch - max(1, math.Floor(pitch/5)), int(math.Ceil(label / pitch))}
}

// hostsChart draws one lane a host: its states as coloured spans, panics and ends of the agent as marks. Brief asks for few
// bytes, which lanes without room are drawn in anyway.
func hostsChart(id, label string, c results.Cell, w window, brief bool) template.HTML {
	const (
		width, top  = 960.0, 16.0
		left, right = 118.0, 948.0
	)
	shown := lanes(c.HostsDetail)
	if len(shown) == 0 {
		return ""
	}
	shape := shapeOf(len(shown))
	bottom := top + shape.pitch*float64(len(shown)) + 4
	a := axis{w.from, w.to, left, right}
	var d drawing
	d.fault(a, w, top, bottom)
	thin := thinLanes{axis: a, thick: shape.thick, states: make([]pen, len(states()))}
	panics, exits := 0, 0
	for i, h := range shown {
		y := top + shape.pitch*float64(i) + shape.pitch - shape.thick - 2
		name := laneName(c, h)
		if i%shape.every == 0 {
			d.text(left-8, y+min(10, shape.thick), "label end", shorten(name, 17))
		}
		if brief || len(shown) > roomyLanes {
			thin.add(y, name, h)
		} else {
			d.lane(a, y, shape.thick, name, h)
		}
		if h.Invalid == "" {
			panics, exits = panics+len(h.Panics), exits+len(h.AgentExits)
		}
	}
	thin.draw(&d)
	d.line(left, top, left, bottom, "axis")
	d.timeAxis(a, 12, top, bottom, "time since injection")
	return d.svg(id, width, bottom+38, "Timeline of each host: "+label,
		fmt.Sprintf("%s of %d, with %s and %s.", count(len(shown), "lane"), len(c.HostsDetail), count(panics, "panic"),
			count(exits, "agent exit")))
}

// laneName is the host's, with its repeat where there are several.
func laneName(c results.Cell, h results.HostDetail) string {
	name := oneLine(h.Host)
	if c.Repeats > 1 {
		name = shorten(name, 11) + fmt.Sprintf(" #%d", h.Repeat)
	}
	return name
}

// lane draws one host where there is room for it.
func (d *drawing) lane(a axis, y, thick float64, name string, h results.HostDetail) {
	if h.Invalid != "" {
		d.rect(a.left, y, a.right-a.left, thick, "invalid", name+": invalid sample: "+oneLine(h.Invalid))
		d.text(a.left+8, y+10, "label", "invalid: "+shorten(oneLine(h.Invalid), 110))
		return
	}
	for _, s := range visible(a, h.Spans) {
		x := a.x(s.From)
		d.rect(x, y, a.x(s.To)-x, thick, "s-"+s.State,
			fmt.Sprintf("%s: %s from %s to %s", name, s.State, seconds(s.From), seconds(s.To)))
	}
	for _, m := range marks(a, h.AgentExits) {
		d.path(fmt.Sprintf("M%s %sl-3.5 6h7z", xy(m.x), xy(y+thick-4)), "exit", m.title(name, "agent exit"))
	}
	for _, m := range marks(a, h.Panics) {
		d.path(fmt.Sprintf("M%s %sl-3.5 -6h7z", xy(m.x), xy(y+2)), "panic", m.title(name, "panic"))
	}
}

// visible is spans as the axis can show them: in a stretch of less than a pixel the worst state stands for all.
func visible(a axis, spans []results.Span) []results.Span {
	pixel := (a.to - a.from) / (a.right - a.left)
	var out []results.Span
	for _, s := range spans {
		s.From, s.To = max(s.From, a.from), min(s.To, a.to)
		if severity(s.State) < 0 || s.To <= s.From {
			continue
		}
		if n := len(out); n > 0 {
			last := &out[n-1]
			if last.State == s.State && s.From-last.To < pixel {
				last.To = s.To
				continue
			}
			if last.To-last.From < pixel && s.To-last.From < pixel {
				if severity(s.State) > severity(last.State) {
					last.State = s.State
				}
				last.To = s.To
				continue
			}
		}
		out = append(out, s)
	}
	for i := range out { // what is left and shorter is widened, so that it shows
		out[i].To = min(a.to, max(out[i].To, out[i].From+pixel))
	}
	return out
}

// A mark is one or more moments that fall too close together to be told apart.
type mark struct {
	x           float64
	first, last results.Moment
	n           int
}

// marks groups the moments on the axis within 7 pixels, their own width, of a group's first.
func marks(a axis, moments []results.Moment) []mark {
	var out []mark
	for _, m := range moments {
		if m.At < a.from || m.At > a.to {
			continue
		}
		x := a.x(m.At)
		if n := len(out); n > 0 && x-out[n-1].x < 7 {
			out[n-1].n++
			out[n-1].last = m
			continue
		}
		out = append(out, mark{x, m, m, 1})
	}
	return out
}

func (m mark) title(host, noun string) string {
	if m.n == 1 {
		return fmt.Sprintf("%s: %s at %s: %s", host, noun, seconds(m.first.At), oneLine(m.first.Title))
	}
	return fmt.Sprintf("%s: %s from %s to %s, the first: %s", host, count(m.n, noun), seconds(m.first.At),
		seconds(m.last.At), oneLine(m.first.Title))
}
