package report

import (
	"math"
	"slices"

	"github.com/fleetfall/fleetfall/results"
)

// An axis maps seconds to horizontal positions.
type axis struct {
	from, to    float64 // s
	left, right float64 // positions of from and to
}

func (a axis) x(t float64) float64 {
	t = min(max(t, a.from), a.to)
	return a.left + (t-a.from)/(a.to-a.from)*(a.right-a.left)
}

// ticks are round times on the axis, at most n intervals apart.
func (a axis) ticks(n int) []float64 {
	steps := []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
		3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400}
	step := steps[0]
	for i := 0; (a.to-a.from)/step > float64(n); i++ {
		if i < len(steps) {
			step = steps[i]
		} else {
			step *= 2
		}
	}
	var ticks []float64
	for i := math.Ceil(a.from / step); i*step <= a.to+step*1e-9; i++ {
		ticks = append(ticks, i*step+0) // + 0 turns -0 into 0
	}
	return ticks
}

// A window is what all charts over time share: the axis in seconds since the injection, and the fault's interval.
type window struct {
	from, to float64
	reverted float64 // latest revert; to when the update was never reverted
	revert   bool    // whether it was reverted at all
}

// longest bounds a time axis, in seconds (30,000 years), so that its arithmetic stays exact enough.
const longest = 1e12

// windowOf spans the observation of all cells, with a little of the time before the injection.
func windowOf(cells []results.Cell) window {
	first, w := 0.0, window{}
	for _, c := range cells {
		for _, h := range c.HostsDetail {
			for _, s := range h.Spans {
				first, w.to = min(first, s.From), max(w.to, s.To)
			}
		}
		for _, t := range c.Trials {
			if t.End != nil {
				w.to = max(w.to, *t.End)
			}
			if t.Reverted != nil {
				w.revert, w.reverted = true, max(w.reverted, *t.Reverted)
			}
		}
	}
	first, w.to = max(first, -longest), min(w.to, longest)
	if w.to <= 0 {
		w.to = max(-first, 1) // nothing was injected: the time before is all there is
		w.from = first
	} else {
		w.from = max(first, -max(5, 0.06*w.to))
	}
	if !w.revert || w.reverted > w.to {
		w.reverted = w.to
	}
	return w
}

// fault draws the interval in which the update was out: a bar above the plot and a shade over it.
func (d *drawing) fault(a axis, w window, top, bottom float64) {
	from, to := a.x(0), a.x(w.reverted)
	if to <= from {
		return
	}
	title := "Update out from its injection at 0"
	if w.revert {
		title += " to its revert at " + seconds(w.reverted)
	} else {
		title += "; never reverted"
	}
	d.rect(from, top-5, to-from, 5, "faultbar", title)
	d.rect(from, top, to-from, bottom-top, "fault", "")
	d.line(from, top-5, from, bottom, "faultline")
	if w.revert {
		d.line(to, top-5, to, bottom, "faultline")
	}
}

// timeAxis draws ticks and their labels below a plot.
func (d *drawing) timeAxis(a axis, n int, top, bottom float64, label string) {
	ticks := a.ticks(n)
	for i, t := range ticks {
		x := a.x(t)
		d.line(x, bottom, x, bottom+4, "tick")
		class := "label mid"
		if i == len(ticks)-1 && a.right-x < 14 {
			class = "label end"
			x = a.right
		}
		d.text(x, bottom+16, class, seconds(t))
	}
	d.line(a.left, bottom, a.right, bottom, "axis")
	d.text((a.left+a.right)/2, bottom+31, "label mid quiet", label)
}

// A state as reports show it.
type state struct {
	Name       string
	Available  bool
	Definition string
}

// states lists a host's states from best to worst, in which order charts stack them.
func states() []state {
	return []state{
		{"protected", true, "up, beats arrive, the workload runs, probes are stopped or reported"},
		{"unprotected", true, "up, beats arrive, the workload runs, probes of some kind are missed"},
		{"degraded", false, "up, beats arrive, the workload misses its latency bound or fails"},
		{"hung", false, "the VM runs, no panic, no beat for the liveness window"},
		{"repair", false, "safe mode, recovery environment, or a technician at work"},
		{"down", false, "panicked, resetting, or booting after a fault"},
		{"off", false, "no power"},
	}
}

// severity is a state's place in states, -1 for one that reports do not know.
func severity(name string) int {
	return slices.IndexFunc(states(), func(s state) bool { return s.Name == name })
}
