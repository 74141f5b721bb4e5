package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"github.com/fleetfall/fleetfall/results"
)

// seriesCount is the number of line styles in the style sheet; more cells than that share them.
const seriesCount = 7

// labelWidth is about that of a character of a label, in pixels.
const labelWidth = 7.0

// recoveryChart draws the Kaplan-Meier estimate of the share of hosts that are back for every cell with hits, with
// censoring marks and, below, the numbers not back yet. It has no bands: hosts of one repeat tell of one another, and what
// the figures may be off by is said with them. It is empty when no cell was hit.
func recoveryChart(id string, cells []results.Cell, labels []string) template.HTML {
	var hit []int
	end := 0.0
	for i, c := range cells {
		if len(c.Curve) > 0 {
			hit = append(hit, i)
			end = max(end, min(longest, c.Curve[len(c.Curve)-1].At))
		}
	}
	if len(hit) == 0 {
		return ""
	}
	if end <= 0 {
		end = 1
	}
	characters := 0
	for _, i := range hit {
		characters = max(characters, len([]rune(labels[i])))
	}
	const width, top, bottom, row = 960.0, 14.0, 300.0, 17.0
	left := min(240, max(72, 50+labelWidth*float64(characters)))
	right := width - 14
	height := bottom + 58 + row*float64(len(hit))
	a := axis{0, end * 1.02, left, right}
	y := func(share float64) float64 { return bottom - min(1, max(0, share))*(bottom-top) }
	var d drawing
	if until, ok := servedToAll(cells); ok {
		d.rect(left, top-5, a.x(until)-left, 5, "faultbar",
			"Until "+seconds(until)+" the update was still out for every host hit")
		d.rect(left, top, a.x(until)-left, bottom-top, "fault", "")
	}
	for _, p := range []float64{0, 0.25, 0.5, 0.75, 1} {
		d.line(left, y(p), right, y(p), "guide")
		d.text(left-6, y(p)+4, "label end", decimals(100*p, 0)+" %")
	}
	var desc []string
	for _, i := range hit {
		d.path(curveShape(a, y, cells[i].Curve), fmt.Sprintf("curve c%d", i%seriesCount), labels[i])
		for _, p := range cells[i].Curve {
			if p.Censored > 0 {
				x := a.x(p.At)
				d.path(fmt.Sprintf("M%s %sv10M%s %sh10", xy(x), xy(y(p.Back)-5), xy(x-5), xy(y(p.Back))),
					fmt.Sprintf("censored c%d", i%seriesCount), fmt.Sprintf("%s: %s not back when observation ended at %s",
						labels[i], count(p.Censored, "host"), seconds(p.At)))
			}
		}
		last := cells[i].Curve[len(cells[i].Curve)-1]
		desc = append(desc, fmt.Sprintf("%s: %s back after %s", labels[i], share(last.Back), seconds(last.At)))
	}
	d.timeAxis(a, 8, top, bottom, "time since the host was hit")
	d.text(8, bottom+48, "label quiet", "Hosts not back yet")
	for n, i := range hit {
		rowY := bottom + 48 + row*float64(n+1)
		d.line(8, rowY-4, 24, rowY-4, fmt.Sprintf("curve c%d", i%seriesCount))
		d.text(30, rowY, "label", shorten(labels[i], int((left-50)/labelWidth)))
		for _, t := range a.ticks(8) {
			d.text(max(a.x(t), left+4), rowY, "label mid", number(float64(atRisk(cells[i].Curve, t))))
		}
	}
	return d.svg(id, width, height, "Share of the hosts hit that are back, by time since they were hit",
		strings.Join(desc, "; ")+".")
}

// curveShape is a curve as steps from nobody back at 0.
func curveShape(a axis, y func(float64) float64, curve []results.CurvePoint) string {
	var back pen
	back.move(a.x(0), y(0))
	for _, p := range curve {
		back.h(a.x(p.At))
		back.v(y(p.Back))
	}
	return back.String()
}

// atRisk is the number of hosts not back just before t.
func atRisk(curve []results.CurvePoint, t float64) int {
	for _, p := range curve {
		if p.At >= t {
			return p.AtRisk
		}
	}
	return 0
}

// servedToAll is the time since its hit up to which every host that was hit still got the bad update.
func servedToAll(cells []results.Cell) (until float64, ok bool) {
	until = math.Inf(1)
	for _, c := range cells {
		for _, h := range c.HostsDetail {
			if h.Invalid != "" || h.FirstUnavailable == nil {
				continue
			}
			if t, ok := trialOf(c, h); ok && t.Reverted != nil {
				until = min(until, *t.Reverted-*h.FirstUnavailable)
			}
		}
	}
	return until, until > 0 && !math.IsInf(until, 1)
}

// shorten cuts a text to n characters, the last of them an ellipsis.
func shorten(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:max(0, n-1)]) + "…"
}
