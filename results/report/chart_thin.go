package report

import (
	"fmt"
	"strings"

	"github.com/fleetfall/fleetfall/results"
)

// thinLanes draws many hosts in few bytes: one shape for all spans of a state, one for all panics, one for all ends of the
// agent, and over each lane a box that shows nothing and tells of its host.
type thinLanes struct {
	axis   axis
	thick  float64
	states []pen // by severity
	lost   pen   // invalid samples
	panics pen
	exits  pen
	boxes  drawing
}

func (l *thinLanes) add(y float64, name string, h results.HostDetail) {
	a := l.axis
	l.boxes.rect(a.left, y, a.right-a.left, l.thick, "lane", told(name, h))
	if h.Invalid != "" {
		l.lost.box(a.left, y, a.right-a.left, l.thick)
		return
	}
	for _, s := range visible(a, h.Spans) {
		x := a.x(s.From)
		l.states[severity(s.State)].box(x, y, a.x(s.To)-x, l.thick)
	}
	for _, m := range marks(a, h.Panics) {
		l.panics.move(m.x, y)
		l.panics.v(y + l.thick)
	}
	for _, m := range marks(a, h.AgentExits) {
		l.exits.move(m.x, y)
		l.exits.v(y + l.thick)
	}
}

func (l *thinLanes) draw(d *drawing) {
	for i, s := range states() {
		d.shape(&l.states[i], "s-"+s.Name)
	}
	d.shape(&l.lost, "invalid")
	d.shape(&l.panics, "panics")
	d.shape(&l.exits, "exits")
	d.b.WriteString(l.boxes.b.String())
}

// shape draws what a pen has collected, if that is anything.
func (d *drawing) shape(p *pen, class string) {
	if data := p.String(); data != "" {
		d.path(data, class, "")
	}
}

// box is a closed rectangle.
func (p *pen) box(x, y, w, h float64) {
	p.move(x, y)
	p.h(x + w)
	p.v(y + h)
	p.h(x)
	p.close()
}

// stories are those of the hosts that have a lane.
func stories(c results.Cell) []string {
	var out []string
	for _, h := range lanes(c.HostsDetail) {
		out = append(out, told(laneName(c, h), h))
	}
	return out
}

// told is a host's story in a line.
func told(name string, h results.HostDetail) string {
	var parts []string
	switch {
	case h.Invalid != "":
		parts = append(parts, "invalid sample: "+oneLine(h.Invalid))
	case h.FirstUnavailable == nil:
		parts = append(parts, "never unavailable")
	case h.Recovered != nil:
		parts = append(parts, fmt.Sprintf("unavailable from %s, back at %s", seconds(*h.FirstUnavailable), seconds(*h.Recovered)))
	default:
		parts = append(parts, fmt.Sprintf("unavailable from %s, not back", seconds(*h.FirstUnavailable)))
	}
	if n := len(h.Panics); n > 0 {
		parts = append(parts, count(n, "panic"))
	}
	if n := len(h.AgentExits); n > 0 {
		parts = append(parts, count(n, "agent exit"))
	}
	return name + ": " + strings.Join(parts, ", ")
}
