package report

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/fleetfall/fleetfall/results"
)

// statesChart stacks the share of the cells' hosts in each state over time, all trials together, aligned at the
// injection. Each column of a few pixels shows the mean over its time. After a trial that settled ended, its hosts are
// carried on in their last state, drawn faint; what was not observed for another reason stays empty.
func statesChart(id, label string, w window, cells ...results.Cell) template.HTML {
	const (
		width, height            = 360.0, 214.0
		left, right, top, bottom = 40.0, 352.0, 12.0, 174.0
		columnWidth              = 2.0
	)
	a := axis{w.from, w.to, left, right}
	columns := int((right - left) / columnWidth)
	hosts := 0
	observed := newTally(columns)
	carried := newTally(columns)
	for _, c := range cells {
		for _, h := range c.HostsDetail {
			if h.Invalid != "" || len(h.Spans) == 0 {
				continue
			}
			hosts++
			for _, s := range h.Spans {
				observed.add(a, severity(s.State), s.From, s.To)
			}
			if last := h.Spans[len(h.Spans)-1]; settled(c, h) {
				carried.add(a, severity(last.State), last.To, w.to)
			}
		}
	}
	var d drawing
	d.rect(left, top, right-left, bottom-top, "void", "")
	if hosts == 0 {
		d.text((left+right)/2, (top+bottom)/2, "label mid", "no valid sample")
	}
	// The worst at the bottom, where a share is read best.
	base := make([]float64, columns)
	for s := len(states()) - 1; s >= 0 && hosts > 0; s-- {
		for _, layer := range []struct {
			tally tally
			class string
		}{{observed, ""}, {carried, " carried"}} {
			shares := layer.tally.shares(s, hosts)
			data := stack(a, base, shares, top, bottom)
			if data != "" {
				d.path(data, "s-"+states()[s].Name+layer.class, states()[s].Name)
			}
			for i := range base {
				base[i] += shares[i]
			}
		}
	}
	d.fault(a, w, top, bottom)
	for _, p := range []float64{0, 0.5, 1} {
		y := bottom - p*(bottom-top)
		d.line(left-4, y, left, y, "tick")
		d.text(left-6, y+4, "label end", decimals(100*p, 0)+" %")
	}
	d.line(left, top, left, bottom, "axis")
	d.timeAxis(a, 4, top, bottom, "time since injection")
	return d.svg(id, width, height, "Hosts' states over time: "+label, statesDescription(observed, hosts, w))
}

// settled tells whether a host's trial ended because its hosts had come to rest.
func settled(c results.Cell, h results.HostDetail) bool {
	t, ok := trialOf(c, h)
	return ok && t.Status == "settled"
}

// trialOf is the trial that a host is a sample of.
func trialOf(c results.Cell, h results.HostDetail) (results.Trial, bool) {
	for _, t := range c.Trials {
		if t.Repeat == h.Repeat && t.Wave == h.Wave && !t.Superseded {
			return t, true
		}
	}
	return results.Trial{}, false
}

// A tally is, for each state and column of a chart, the mean number of hosts.
type tally [][]float64

func newTally(columns int) tally {
	t := make(tally, len(states()))
	for i := range t {
		t[i] = make([]float64, columns)
	}
	return t
}

// add counts a host in a state for a stretch of time; a state of -1 is not counted.
func (t tally) add(a axis, state int, from, to float64) {
	if state < 0 || to <= from {
		return
	}
	n := len(t[state])
	scale := float64(n) / (a.to - a.from)
	lo, hi := max(0, (from-a.from)*scale), min(float64(n), (to-a.from)*scale)
	for i := int(lo); i < n && float64(i) < hi; i++ {
		t[state][i] += max(0, min(hi, float64(i+1))-max(lo, float64(i)))
	}
}

func (t tally) shares(state, hosts int) []float64 {
	shares := make([]float64, len(t[state]))
	for i, n := range t[state] {
		shares[i] = n / float64(hosts)
	}
	return shares
}

// stack is the outline of a layer on its base, one closed shape for each run of columns that are not empty.
func stack(a axis, base, shares []float64, top, bottom float64) string {
	const nothing = 1e-6
	var p pen
	column := (a.right - a.left) / float64(len(shares))
	x := func(i int) float64 { return a.left + float64(i)*column }
	y := func(v float64) float64 { return bottom - v*(bottom-top) }
	for i := 0; i < len(shares); {
		if shares[i] < nothing {
			i++
			continue
		}
		end := i
		for end < len(shares) && shares[end] >= nothing {
			end++
		}
		p.move(x(i), y(base[i]))
		for j := i; j < end; j++ {
			if j == i || y(base[j]+shares[j]) != y(base[j-1]+shares[j-1]) {
				p.v(y(base[j] + shares[j]))
			}
			if j == end-1 || y(base[j]+shares[j]) != y(base[j+1]+shares[j+1]) {
				p.h(x(j + 1))
			}
		}
		for j := end - 1; j >= i; j-- {
			if j == end-1 || base[j] != base[j+1] {
				p.v(y(base[j]))
			}
			if j == i || base[j] != base[j-1] {
				p.h(x(j))
			}
		}
		p.close()
		i = end
	}
	return p.String()
}

// statesDescription says for how much of the observed time hosts were in each state.
func statesDescription(observed tally, hosts int, w window) string {
	total := 0.0
	times := make([]float64, len(states()))
	for s, columns := range observed {
		for _, v := range columns {
			times[s] += v
		}
		total += times[s]
	}
	if total == 0 {
		return "No valid sample."
	}
	var parts []string
	for s, t := range times {
		if t > 0 {
			parts = append(parts, states()[s].Name+" "+share(t/total))
		}
	}
	return fmt.Sprintf("Share of the observed time of %s, from %s to %s: %s.",
		count(hosts, "host"), seconds(w.from), seconds(w.to), strings.Join(parts, ", "))
}
