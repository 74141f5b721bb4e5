package report

import (
	"fmt"
	"time"

	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/stats"
	"github.com/fleetfall/fleetfall/scenarios"
)

func ptr(v float64) *float64 { return &v }

func fig(value, lo, hi float64, n int, unit string) results.Metric {
	return results.Metric{Value: ptr(value), Lo: ptr(lo), Hi: ptr(hi), N: n, Unit: unit, Level: 0.95}
}

func none(unit, note string) results.Metric { return results.Metric{Unit: unit, Note: note} }

// outage is a run of three cells of four hosts, repeated five times: a control, a kernel agent in a boot loop until
// technicians come, with one host not back by the deadline, and a user-mode agent that crashes under its supervisor.
func outage() *results.Results {
	const repeats, hosts = 5, 4
	r := &results.Results{
		Schema: results.Schema,
		Scenario: results.Scenario{
			Name:        "channel-file-291",
			Description: "A signed, well-formed update that matches on a 21st field the sensor never supplies.",
			Seed:        291, Repeat: repeats,
			Deadline:   scenarios.Duration(30 * time.Minute),
			StableFor:  scenarios.Duration(time.Minute),
			Liveness:   scenarios.Duration(15 * time.Second),
			Variables:  []scenarios.Setting{{Name: "hosts", Value: "4"}},
			SourceName: "channel-file-291.hcl",
			Source: "scenario \"channel-file-291\" {\n  seed     = 291\n  deadline = \"30m\"\n  repeat   = 5\n}\n\n" +
				"fleet \"kernel\" {\n  architecture = \"kernel\"\n  hosts        = var.hosts\n}\n",
		},
		Run: results.Run{ID: "5f1c9a", Started: "2026-03-02T09:14:05Z", Duration: 312.4, Status: "complete"},
		Provenance: results.Provenance{Clock: "virtual", Facts: []results.Fact{
			{Name: "accelerator", Value: "tcg (kvm cannot run the image's kernel)"},
			{Name: "kernel", Value: "6.1.0-37-cloud-amd64"},
			{Name: "QEMU", Value: "7.2.22"},
		}},
		Comparisons: []results.Comparison{
			{A: "kernel/rapid/everyone/technicians", B: "user/rapid/everyone/technicians", Metric: "host_seconds_lost",
				Test: "sign-flip", Difference: fig(1180, 990, 1370, 5, "s"), Pairs: 5, Family: 1,
				Wants: "5 pairs decide nothing; 6 repeats would"},
			{A: "kernel/rapid/everyone/technicians", B: "user/rapid/everyone/technicians", Metric: "time_to_recover_median",
				Test: "sign-flip", Note: "user: no host was hit"},
		},
		Expectations: []results.Expectation{
			{Name: "user mode keeps every host up", Cell: "user/rapid/everyone/technicians", Status: results.Met,
				Metric: "blast_radius", Value: ptr(0), Max: ptr(0)},
			{Name: "half of the fleet is back within a quarter of an hour", Cell: "kernel/rapid/everyone/technicians",
				Status: results.Missed, Metric: "time_to_recover_median", Max: ptr(900)},
			{Name: "nearly all are back by the deadline", Cell: "kernel/rapid/everyone/technicians",
				Status: results.Inconclusive, Metric: "fleet_recovery_99", Max: ptr(1800),
				Note: "fewer than 99 % of the hosts hit came back"},
		},
		Verdict: results.Missed,
	}
	r.Cells = []results.Cell{
		cell("control", "kernel", true, repeats, hosts), cell("kernel", "kernel", false, repeats, hosts),
		cell("user", "user", false, repeats, hosts)}
	for i := range r.Cells {
		c := &r.Cells[i]
		for rep := 1; rep <= repeats; rep++ {
			t := results.Trial{Repeat: rep, Seed: uint64(1000*i + rep), Ready: ptr(34), Reverted: ptr(300), End: ptr(420),
				Status: "settled"}
			if c.Fleet == "kernel" && rep == 2 {
				t.End, t.Status = ptr(1800), "deadline"
			}
			for h := 1; h <= hosts; h++ {
				c.HostsDetail = append(c.HostsDetail, outageHost(c.Fleet, rep, h, &t))
			}
			c.Trials = append(c.Trials, t)
		}
	}
	controlFigures(&r.Cells[0])
	kernelFigures(&r.Cells[1])
	userFigures(&r.Cells[2])
	r.Expectations[1].Value = r.Cells[1].Metrics["time_to_recover_median"].Value
	return r
}

func cell(fleet, architecture string, control bool, repeats, hosts int) results.Cell {
	fault := "field_count"
	if control {
		fault = "none"
	}
	return results.Cell{ID: fleet + "/rapid/everyone/technicians", Fleet: fleet, Architecture: architecture, Control: control,
		Update: "rapid", Fault: fault, Rollout: "everyone", Recovery: "technicians", Hosts: hosts, Repeats: repeats,
		Metrics: map[string]results.Metric{}}
}

// outageHost is one host's history; it moves the trial's end to where a kernel host's repair ends.
func outageHost(fleet string, rep, n int, t *results.Trial) results.HostDetail {
	h := results.HostDetail{Host: fmt.Sprintf("%s-%d", fleet, n), Repeat: rep}
	span := func(state string, from, to float64) {
		h.Spans = append(h.Spans, results.Span{State: state, From: from, To: to})
	}
	switch fleet {
	case "kernel":
		hit := 6.5 + 1.5*float64(n)
		h.FirstUnavailable, h.BootLoops = ptr(hit), 1
		span("down", -34, -20)
		span("protected", -20, hit)
		repairAt := 420 + 130*float64(n) + 90*float64(rep)
		if rep == 2 && n == 4 {
			repairAt = 1800
		}
		span("down", hit, repairAt)
		for at := hit; at < repairAt; at += 7.4 {
			h.Panics = append(h.Panics, results.Moment{At: at, Title: "BUG: unable to handle page fault in ff_match"})
			h.Boots++
		}
		if repairAt == 1800 {
			h.Censored = true
			return h
		}
		if n == 2 { // left hanging, and then switched off for a while by someone who tried
			h.Spans[len(h.Spans)-1].To = repairAt - 150
			span("hung", repairAt-150, repairAt-60)
			span("off", repairAt-60, repairAt)
		}
		span("repair", repairAt, repairAt+250)
		span("down", repairAt+250, repairAt+256)
		end := max(*t.End, repairAt+256+60)
		if t.Status == "settled" {
			t.End = ptr(end)
		}
		span("protected", repairAt+256, end)
		h.Recovered = ptr(repairAt + 256)
	case "user":
		span("down", -34, -20)
		span("protected", -20, 12)
		for at := 12.0; at < 100; at += 20 {
			h.AgentExits = append(h.AgentExits, results.Moment{At: at, Title: "signal 11"})
		}
		span("unprotected", 12, 310)
		span("protected", 310, 420)
	default:
		span("down", -34, -20)
		span("protected", -20, 420)
		if rep == 2 && n == 1 {
			h.Invalid, h.Spans = "create domain: cannot allocate memory", nil
		}
	}
	return h
}

func controlFigures(c *results.Cell) {
	c.Invalid = 1
	c.Metrics["blast_radius"] = fig(0, 0, 0.3543, 5, "share")
	c.Metrics["protection_radius"] = fig(0, 0, 0.3543, 5, "share")
	c.Metrics["peak_unavailable"] = fig(0, 0, 0, 5, "share")
	c.Metrics["host_seconds_lost"] = fig(0, 0, 0, 5, "s")
	c.Metrics["time_to_recover_median"] = none("s", "no host was hit")
	c.Metrics["crashes"] = fig(0, 0, 0, 5, "count")
	c.Metrics["work_latency"] = fig(0.00213, 0.00201, 0.00228, 5, "s")
	c.Metrics["detection_before"] = fig(1, 0.86, 1, 5, "share")
}

func kernelFigures(c *results.Cell) {
	var obs []stats.Observation
	panics := 0
	for _, h := range c.HostsDetail {
		panics += len(h.Panics)
		if h.Censored {
			obs = append(obs, stats.Observation{Time: 1800 - *h.FirstUnavailable, Censored: true})
		} else {
			obs = append(obs, stats.Observation{Time: *h.Recovered - *h.FirstUnavailable})
		}
	}
	curve := stats.KaplanMeier(obs)
	for _, s := range curve.Steps {
		c.Curve = append(c.Curve, results.CurvePoint{At: s.Time, Back: 1 - s.Survival,
			AtRisk: s.AtRisk, Censored: s.Censored})
	}
	quantile := func(p float64) results.Metric {
		q := curve.Quantile(p)
		if q == nil {
			return results.Metric{N: 5, Unit: "s", Note: fmt.Sprintf("fewer than %s of the hosts hit came back", share(p))}
		}
		m := fig(*q, 0.8**q, 1.15**q, 5, "s")
		m.Level = 0.9375
		return m
	}
	mean := curve.RestrictedMean(1800)
	c.Metrics["blast_radius"] = fig(1, 0.6756, 1, 5, "share")
	c.Metrics["protection_radius"] = fig(1, 0.6756, 1, 5, "share")
	c.Metrics["peak_unavailable"] = fig(1, 1, 1, 5, "share")
	sum := 0.0
	for _, h := range c.HostsDetail {
		sum += lost(h) / 20
	}
	c.Metrics["host_seconds_lost"] = fig(sum, 0.85*sum, 1.2*sum, 5, "s")
	c.Metrics["protection_gap"] = fig(sum+4, 0.85*sum+4, 1.2*sum+4, 5, "s")
	c.Metrics["time_to_recover_median"] = quantile(0.5)
	c.Metrics["time_to_recover_p90"] = quantile(0.9)
	c.Metrics["time_to_recover_mean"] = fig(mean, 0.9*mean, 1.1*mean, 5, "s")
	c.Metrics["censored"] = results.Metric{Value: ptr(1), N: 5, Unit: "count"}
	c.Metrics["fleet_recovery_50"] = fig(1120, 906, 1290, 5, "s")
	c.Metrics["fleet_recovery_100"] = none("s", "not all hosts hit came back")
	c.Metrics["crashes"] = fig(float64(panics), 0.9*float64(panics), 1.2*float64(panics), 5, "count")
	c.Metrics["boots"] = fig(float64(panics)+8, 0.9*float64(panics)+8, 1.2*float64(panics)+8, 5, "count")
	c.Metrics["boot_loops"] = results.Metric{Value: ptr(8), N: 5, Unit: "count"}
	c.Metrics["detection_before"] = fig(1, 0.86, 1, 5, "share")
	c.Metrics["detection_during"] = none("share", "no host was up to run a threat")
	c.Metrics["work_latency"] = fig(0.00219, 0.00204, 0.00231, 5, "s")
	c.Causes = []results.Cause{{Title: "BUG: unable to handle page fault in ff_match", Type: "page_fault", Module: "fleetfall",
		Function: "ff_match", Offset: "0x1b3/0x2a0", Count: panics, Hosts: 8, Host: "kernel-1", At: 8.0,
		Dump: "hosts/kernel_u_everyone_r-0/kernel-1/memory.dump",
		Excerpt: "[   12.404511] BUG: unable to handle page fault for address: ffffa0d2c0a1b0a8\n" +
			"[   12.404921] RIP: 0010:ff_match+0x1b3/0x2a0 [fleetfall]\n" +
			"[   12.405377] Call Trace:\n[   12.405502]  ff_evaluate+0x6e/0x110 [fleetfall]\n" +
			"[   12.406011] Kernel panic - not syncing: Fatal exception"}}
}

func userFigures(c *results.Cell) {
	c.Metrics["blast_radius"] = fig(0, 0, 0.3244, 5, "share")
	c.Metrics["protection_radius"] = fig(1, 0.6756, 1, 5, "share")
	c.Metrics["peak_unavailable"] = fig(0, 0, 0, 5, "share")
	c.Metrics["host_seconds_lost"] = fig(0, 0, 0, 5, "s")
	c.Metrics["protection_gap"] = fig(298, 298, 298, 5, "s")
	c.Metrics["time_to_recover_median"] = none("s", "no host was hit")
	c.Metrics["crashes"] = fig(0, 0, 0, 5, "count")
	c.Metrics["agent_crashes"] = fig(40, 40, 40, 5, "count")
	c.Metrics["detection_before"] = fig(1, 0.86, 1, 5, "share")
	c.Metrics["detection_during"] = fig(0.083, 0.029, 0.214, 5, "share")
	c.Metrics["work_latency"] = fig(0.00342, 0.00321, 0.00366, 5, "s")
}

// interrupted is outage, stopped early in its last cell.
func interrupted() *results.Results {
	r := outage()
	r.Run.Status, r.Run.Reason = "interrupted", "signal: interrupt"
	r.Verdict = results.Inconclusive
	c := &r.Cells[2]
	c.HostsDetail = c.HostsDetail[:4]
	c.Unfinished = 4
	c.Trials = c.Trials[:1]
	c.Trials[0].Status, c.Trials[0].End, c.Trials[0].Reverted = "interrupted", ptr(40), nil
	for i := range c.HostsDetail {
		h := &c.HostsDetail[i]
		h.Spans = h.Spans[:3]
		h.Spans[2].To = 40
	}
	c.Metrics = map[string]results.Metric{"blast_radius": none("share", "no repeat was finished")}
	for i := range r.Expectations {
		r.Expectations[i].Status, r.Expectations[i].Value = results.Inconclusive, nil
		r.Expectations[i].Note = "the run was interrupted"
	}
	return r
}

// hundred is outage with a hundred hosts a cell on two machines, run in three waves: the first trial of the kernel cell was
// invalid and run again, a machine was lost later, and the run was taken up again.
func hundred() *results.Results {
	r := outage()
	const hosts, waves = 100, 3
	r.Scenario.Repeat = 1
	r.Run.Resumed = []results.Part{{Started: "2026-03-02T10:20:00Z", Changed: []results.Fact{{Name: "qemu", Value: "8.0.0"}, {Name: "kernel"}}}}
	for i := range r.Cells {
		c := &r.Cells[i]
		c.Hosts, c.Waves, c.Repeats, c.Retried, c.Invalid, c.Trials, c.HostsDetail = hosts, waves, 1, 0, 0, nil, nil
		for wave, n := 1, 0; wave <= waves; wave++ {
			t := results.Trial{Wave: wave, Waves: waves, Seed: uint64(1000*i + wave), Ready: ptr(90), Reverted: ptr(300), End: ptr(420), Status: "settled"}
			if c.Fleet == "kernel" && wave == 1 {
				c.Trials = append(c.Trials, results.Trial{Wave: wave, Waves: waves, Seed: t.Seed, Status: "invalid", Reason: "connect: end of file", Superseded: true})
				t.Attempt, c.Retried = 2, 1
			}
			for size := []int{34, 33, 33}[wave-1]; size > 0; size-- {
				h := outageHost(c.Fleet, 1, 1+n%4, &t)
				n++
				h.Host, h.Repeat, h.Wave, h.Node = fmt.Sprintf("%s-%03d", c.Fleet, n), 0, wave, []string{"big", "small"}[n%2]
				if c.Fleet == "user" && wave == 3 && h.Node == "small" {
					h.Invalid, h.Spans = "connect: the machine small was lost", nil
					c.Invalid++
				}
				if n == 7 {
					h.Retried = 1
					c.Retried++
				}
				c.HostsDetail = append(c.HostsDetail, h)
			}
			c.Trials = append(c.Trials, t)
		}
	}
	return r
}

// verifiedTwice is outage with verification: one cell the same, one within the tolerance, and one in which a second run
// differs and another is missing.
func verifiedTwice() *results.Results {
	r := outage()
	of := func(cell, repeat int, v results.Verification) {
		v.Cell, v.Repeat, v.Entries, v.Tolerance = r.Cells[cell].ID, repeat, 1000+repeat, 0.002
		r.Verification = append(r.Verification, v)
	}
	of(0, 1, results.Verification{Status: results.Identical})
	of(0, 2, results.Verification{Status: results.Identical})
	of(1, 1, results.Verification{Status: results.Within, Timed: 3, Largest: 0.000712})
	of(1, 2, results.Verification{Status: results.Within, Timed: 1, Largest: 0.001996})
	of(2, 1, results.Verification{Status: results.Differs, Timed: 2, Changed: 1, Largest: 0.25,
		Difference: "beat of user-1 at 1m40s, in the second run at 1m40.25s; work_units is 1, in the second run 7"})
	of(2, 2, results.Verification{Status: results.Unverified, Reason: "its second run was invalid: create domain: cannot allocate memory"})
	return r
}

// nothing is a run that failed before its first cell.
func nothing() *results.Results {
	return &results.Results{Schema: results.Schema, Verdict: results.Inconclusive,
		Scenario: results.Scenario{Name: "channel-file-291"},
		Run:      results.Run{Status: "failed", Reason: "libvirt: cannot connect"}}
}
