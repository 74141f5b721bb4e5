package report

import (
	"fmt"
	"html"
	"html/template"
	"strings"
)

// A drawing is an SVG under construction. Colours come from the page's style sheet by class, so that a chart follows
// light and dark; every text is escaped here.
type drawing struct{ b strings.Builder }

// xy formats a coordinate with one decimal.
func xy(v float64) string { return decimals(v, 1) }

func (d *drawing) add(format string, args ...any) { fmt.Fprintf(&d.b, format, args...) }

// titled closes an element that was opened up to its attributes, with a title for pointer and screen reader.
func (d *drawing) titled(element, title string) {
	if title == "" {
		d.b.WriteString("/>")
		return
	}
	d.add("><title>%s</title></%s>", html.EscapeString(title), element)
}

func (d *drawing) rect(x, y, w, h float64, class, title string) {
	d.add(`<rect class="%s" x="%s" y="%s" width="%s" height="%s"`, class, xy(x), xy(y), xy(w), xy(h))
	d.titled("rect", title)
}

func (d *drawing) line(x1, y1, x2, y2 float64, class string) {
	d.add(`<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, xy(x1), xy(y1), xy(x2), xy(y2))
}

func (d *drawing) path(data, class, title string) {
	d.add(`<path class="%s" d="%s"`, class, data)
	d.titled("path", title)
}

func (d *drawing) text(x, y float64, class, s string) {
	d.add(`<text class="%s" x="%s" y="%s">%s</text>`, class, xy(x), xy(y), html.EscapeString(s))
}

// svg is the finished chart. title and desc are what those hear who cannot see it; id must be unique within the page.
func (d *drawing) svg(id string, w, h float64, title, desc string) template.HTML {
	return template.HTML(fmt.Sprintf(
		`<svg class="chart" role="img" aria-labelledby="%[1]s-t %[1]s-d" viewBox="0 0 %[2]s %[3]s">`+
			`<title id="%[1]s-t">%[4]s</title><desc id="%[1]s-d">%[5]s</desc>%[6]s</svg>`,
		id, xy(w), xy(h), html.EscapeString(title), html.EscapeString(desc), d.b.String()))
}

// A pen collects a path's data.
type pen struct{ b strings.Builder }

func (p *pen) move(x, y float64) { p.b.WriteString("M" + xy(x) + " " + xy(y)) }
func (p *pen) h(x float64)       { p.b.WriteString("H" + xy(x)) }
func (p *pen) v(y float64)       { p.b.WriteString("V" + xy(y)) }
func (p *pen) close()            { p.b.WriteString("Z") }
func (p *pen) String() string    { return p.b.String() }
