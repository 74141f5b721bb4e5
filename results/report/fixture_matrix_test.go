package report

import (
	"fmt"
	"strings"

	"github.com/fleetfall/fleetfall/results"
)

// grid is a run of fleets x updates and a control arm, with three hosts a cell. Which of outage's stories a cell tells
// goes by its row and column, and so do its figures, so that neighbours differ.
func grid(architectures, faults []string, recoveries ...string) *results.Results {
	r := outage()
	r.Scenario.Name, r.Scenario.Description = "matrix", "Each architecture against each fault."
	r.Cells, r.Comparisons, r.Expectations = nil, nil, nil
	if len(recoveries) == 0 {
		recoveries = []string{"technicians"}
	}
	fleets := append([]string{"control"}, architectures...)
	for row, name := range fleets {
		for column, fault := range faults {
			for _, recovery := range recoveries {
				architecture := name
				if row == 0 {
					architecture = architectures[0]
				}
				r.Cells = append(r.Cells, gridCell(name, architecture, fault, recovery, row, column))
			}
		}
	}
	missed := ""
	for _, a := range r.Cells {
		for _, b := range r.Cells {
			if a.Control || b.Control || a.Update != b.Update || a.Recovery != b.Recovery || a.Fleet >= b.Fleet {
				continue
			}
			for i, metric := range []string{"host_seconds_lost", "protection_gap", "time_to_recover_median"} {
				r.Comparisons = append(r.Comparisons, results.Comparison{A: a.ID, B: b.ID, Metric: metric, Test: "sign-flip",
					PValue: ptr(0.01 * float64(i)), Adjusted: ptr(0.03 * float64(i)), Family: 3, Pairs: 6,
					Difference: fig(20*float64(i), 11, 52, 5, "s")})
			}
		}
		if len(a.Causes) > 0 {
			x := a.Causes[0]
			if len(r.Causes) == 0 {
				r.Causes = []results.RunCause{{Cause: x}}
				r.Causes[0].Count, r.Causes[0].Hosts = 0, 0
			}
			all := &r.Causes[0]
			all.Count, all.Hosts = all.Count+x.Count, all.Hosts+x.Hosts
			all.Cells = append(all.Cells, results.Struck{Cell: a.ID, Count: x.Count, Hosts: x.Hosts})
		}
		x := results.Expectation{Name: "damage is bounded", Cell: a.ID, Metric: "blast_radius",
			Value: a.Metrics["blast_radius"].Value, Max: ptr(1), Status: results.Met}
		if *x.Value > 0.5 && missed == "" { // the first that is to be less
			x.Max, x.Status = ptr(0.5), results.Missed
			missed = a.ID
		}
		r.Expectations = append(r.Expectations, x)
	}
	return r
}

func gridCell(name, architecture, fault, recovery string, row, column int) results.Cell {
	const repeats, hosts = 2, 3
	c := cell(name, architecture, row == 0, repeats, hosts)
	c.Update, c.Recovery = strings.ReplaceAll(fault, "_", "-"), recovery
	c.ID = strings.Join([]string{name, c.Update, "everyone", recovery}, "/")
	if !c.Control {
		c.Fault = fault
	}
	story := []string{"kernel", "user", "quiet"}[(row*2+column)%3]
	if c.Control {
		story = "quiet"
	}
	for rep := 1; rep <= repeats; rep++ {
		t := results.Trial{Repeat: rep, Seed: uint64(1000*row + 10*column + rep), Ready: ptr(34), Reverted: ptr(300), End: ptr(420), Status: "settled"}
		for h := 1; h <= hosts; h++ {
			host := outageHost(story, rep, h, &t)
			host.Host = fmt.Sprintf("%s-%d", name, h)
			c.HostsDetail = append(c.HostsDetail, host)
		}
		c.Trials = append(c.Trials, t)
	}
	map[string]func(*results.Cell){"kernel": kernelFigures, "user": userFigures, "quiet": controlFigures}[story](&c)
	c.Invalid = 0
	if m := c.Metrics["blast_radius"]; *m.Value == 1 {
		c.Metrics["blast_radius"] = fig(1-0.15*float64(column%6), 0.2, 1, 5, "share")
	}
	if story == "kernel" && column%2 == 1 {
		c.Metrics["time_to_recover_median"] = results.Metric{N: 5, Unit: "s", Note: "not reached: 4 of 6 hit hosts are censored", AtLeast: ptr(420)}
		for _, key := range []string{"host_seconds_lost", "protection_gap"} {
			m := c.Metrics[key]
			m.AtLeast, m.Hi, m.Note = m.Value, nil, "4 of 6 hosts were still out when observation ended"
			c.Metrics[key] = m
		}
	}
	if architecture == "none" {
		for _, key := range []string{"protection_radius", "protection_gap"} {
			c.Metrics[key] = results.Metric{Unit: c.Metrics[key].Unit, Note: "no agent, no protection to lose"}
		}
	}
	sees(&c, row)
	return c
}

// sees gives a cell what an agent sees and costs: the more rows down, the less.
func sees(c *results.Cell, row int) {
	share := 0.0
	for i, kind := range threatKinds() {
		v := results.Visibility{What: kind.Name, Before: results.Detected{N: 12}, During: results.Detected{N: 18}, After: results.Detected{N: 6}}
		switch {
		case c.Architecture == "none" || i+row > 8:
		case i+row == 8:
			v.Before.Detected, v.Before.Latency, v.Before.LatencyMax = 5, ptr(0.012), ptr(0.31)
		default:
			v.Before.Detected, v.After.Detected, v.Before.Latency, v.Before.LatencyMax = 12, 6, ptr(0.0004*float64(i+1)), ptr(0.02)
			if *c.Metrics["blast_radius"].Value == 0 {
				v.During.Detected, v.During.Latency, v.During.LatencyMax = 17-i, ptr(0.002*float64(i+1)), ptr(1.5)
			}
		}
		share += float64(v.Before.Detected) / 12 / float64(len(threatKinds()))
		c.Visibility = append(c.Visibility, v)
	}
	c.Metrics["visibility"] = fig(share, share, share, 5, "share")
	overhead := 0.0
	for i, what := range []string{"exec", "open", "read", "build"} {
		mean := 0.002 * float64(i+1) * (1 + 0.05*float64(6-row))
		c.Loads = append(c.Loads, results.Load{What: what, Before: results.Work{Units: 60, Mean: ptr(mean)}, After: results.Work{Units: 400, Mean: ptr(1.1 * mean)}})
		overhead += 0.05 * float64(6-row) / 4
	}
	if c.Architecture == "none" {
		overhead = -0.004
	}
	c.Metrics["overhead"] = fig(overhead, overhead-0.02, overhead+0.03, 5, "ratio")
	c.Metrics["memory_taken"] = fig(3.2e6, 2.9e6, 3.6e6, 5, "bytes")
	c.Metrics["stranded"] = fig(0, 0, 0.39, 5, "share")
	c.Metrics["hangs"] = fig(0, 0, 0, 5, "count")
}

// matrixOfTwelve is 4 fleets x 3 faults and the control arm's cells: many.
func matrixOfTwelve() *results.Results {
	return grid([]string{"kernel", "user", "ebpf", "none"}, []string{"field_count", "empty_rules", "glob_backtracking"})
}

// pairs is few cells: 2 fleets x 2 faults and the control arm.
func pairs() *results.Results {
	return grid([]string{"kernel", "user"}, []string{"field_count", "empty_rules"})
}

// ninety is 6 fleets x 15 faults, and the control arm's cells.
func ninety() *results.Results {
	var faults []string
	for i := range 15 {
		faults = append(faults, fmt.Sprintf("fault_with_a_name_%d", i+1))
	}
	return grid([]string{"kernel", "user", "hybrid", "ebpf", "safe", "none"}, faults)
}
