package measure

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/health"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/stats"
	"github.com/fleetfall/fleetfall/scenarios"
)

// A group is one repeat of a cell, its waves together: the samples that count. It is the unit of replication, since
// hosts of one repeat share its update, its template and its seed.
type group struct {
	repeat  int
	samples []sample
}

// A statistic says how a metric comes about: what one repeat comes to, and what the repeats are summarised as.
type statistic struct {
	kind stats.Kind
	// of is what a repeat comes to, which has one sample or more.
	of func(c *cell, g group) stats.Trial
	// none is the note when no repeat has a value; empty where each has one.
	none string
	// note says more of a statistic that has a value or a bound; nil when there is nothing to say.
	note func(c *cell, m results.Metric) string
	// needsAgent: there is none for a fleet without an agent, and this says why.
	needsAgent string
}

// statistics has each metric of a cell. Definitions are in scenarios.Metrics.
var statistics = map[string]statistic{
	"blast_radius":      share(func(s sample) bool { return s.hit }),
	"protection_radius": share(func(s sample) bool { return s.lostGuard }).ofAgent("no agent, no protection to lose"),
	"peak_unavailable": {kind: stats.Shares, of: func(_ *cell, g group) stats.Trial {
		return stats.Trial{Value: float64(peakOf(g.samples)) / float64(len(g.samples))}
	}},
	"host_seconds_lost": outage("unavailable", func(s sample) (time.Duration, bool) { return s.lost, s.out }),
	"protection_gap": outage("without protection", func(s sample) (time.Duration, bool) { return s.gap, s.bare }).
		ofAgent("no agent, no protection to lose"),
	"crashes":          total(func(s sample) int { return after(s.detail.Panics) }),
	"agent_crashes":    total(func(s sample) int { return after(s.detail.AgentExits) }),
	"content_refused":  total(func(s sample) int { return s.refused }),
	"boots":            total(func(s sample) int { return s.detail.Boots }),
	"boot_loops":       total(func(s sample) int { return s.detail.BootLoops }),
	"hangs":            total(func(s sample) int { return s.hangs }),
	"blocked_work":     total(func(s sample) int { return s.toll.hung }),
	"polls_failed":     total(func(s sample) int { return s.toll.pollsFailed }),
	"processes_killed": total(func(s sample) int { return s.toll.killed }),
	"censored":         hosts(func(s sample) bool { return s.detail.Censored }),
	"relapses":         hosts(func(s sample) bool { return s.relapsed }),
	"stranded":         shareOf("no content was served", wasServed, func(s sample) bool { return s.stranded }).ofAgent("no agent, no content to take"),
	"detection_before": detection(before),
	"detection_during": detection(during),
	"detection_after":  detection(afterwards),
	"visibility":       {kind: stats.Shares, of: visible, none: "no threat was run before the injection", note: kindsTried},
	"work_latency":     {kind: stats.Amounts, of: workLatency, none: "no workload ran after the injection"},
	"overhead":         {kind: stats.Differences, of: overhead, none: "no work of a fleet without an agent to compare with"},
	"memory_taken": {kind: stats.Amounts, of: memoryTaken,
		none: "no host said what memory it had before the injection and after it"},
	"run_delay": {kind: stats.Amounts, of: runDelay, none: "no two beats of a boot came after the injection"},

	"time_to_recover_median": repairQuantile(0.5),
	"time_to_recover_p90":    repairQuantile(0.9),
	"time_to_recover_p95":    repairQuantile(0.95),
	"time_to_recover_mean":   {kind: stats.Amounts, of: restrictedMean, none: noHostHit},
	"fleet_recovery_50":      fleetQuantile(0.5),
	"fleet_recovery_90":      fleetQuantile(0.9),
	"fleet_recovery_97":      fleetQuantile(0.97),
	"fleet_recovery_99":      fleetQuantile(0.99),
	"fleet_recovery_100":     fleetQuantile(1),
}

// ofAgent is the same, which a fleet without an agent does not have.
func (f statistic) ofAgent(why string) statistic {
	f.needsAgent = why
	return f
}

// metrics computes every metric of the cell.
func (c *cell) metrics() map[string]results.Metric {
	m := map[string]results.Metric{}
	for _, definition := range scenarios.Metrics() {
		x := c.metric(definition.Name)
		x.Unit = string(definition.Unit)
		m[definition.Name] = x
	}
	return m
}

// metric computes one metric, without its unit.
func (c *cell) metric(name string) results.Metric {
	f := statistics[name]
	if !c.has(f) {
		return results.Metric{Note: f.needsAgent}
	}
	trials := c.perRepeat(name)
	if len(trials) == 0 { // what was not seen because nobody looked to the end is not known not to have been
		return results.Metric{Note: noSample}
	}
	m := summary(stats.Summarise(f.kind, trials), f.kind)
	if m.Value == nil && m.AtLeast == nil {
		return results.Metric{Note: f.none, Undefined: m.Undefined}
	}
	if f.note != nil {
		m.Note = f.note(c, m)
	}
	return m
}

// perRepeat is what a metric comes to in each of the counting repeats.
func (c *cell) perRepeat(name string) []stats.Trial {
	if known, ok := c.values[name]; ok {
		return known
	}
	var trials []stats.Trial
	for _, g := range c.counting() {
		trials = append(trials, statistics[name].of(c, g))
	}
	c.values[name] = trials
	return trials
}

// has tells whether the cell can have it.
func (c *cell) has(f statistic) bool { return f.needsAgent == "" || c.steady() == health.Protected }

// counting are the repeats that have a sample that counts.
func (c *cell) counting() []group {
	return slices.DeleteFunc(slices.Clone(c.groups), func(g group) bool { return len(g.samples) == 0 })
}

// summary puts an estimate into words of results. Where censored trials leave a mean open, it is a value that is known
// to be so much at least; an order statistic that they leave open is no value.
func summary(e stats.Estimate, kind stats.Kind) results.Metric {
	m := results.Metric{
		N: e.N, Over: e.Over, Level: e.Level, OneSided: e.OneSided, Wants: e.Wants, Undefined: e.Undefined, Censored: e.Censored,
	}
	if v := e.Value; v != nil {
		if v.AtLeast {
			m.AtLeast = &v.Value
		}
		if !v.AtLeast || kind != stats.Quantiles {
			m.Value = &v.Value
		}
	}
	if e.Lo != nil {
		m.Lo, m.LoAtLeast = &e.Lo.Value, e.Lo.AtLeast
	}
	if e.Hi != nil {
		m.Hi, m.HiAtLeast = &e.Hi.Value, e.Hi.AtLeast
	}
	return m
}

// noSample is the note of every metric of a cell of which no sample counts.
const noSample = "no valid sample"

// noHostHit is the note of times of recovery that nobody needed.
const noHostHit = "no host was hit"

// share is the share of a repeat's hosts of which something is so.
func share(is func(sample) bool) statistic {
	return shareOf("", func(sample) bool { return true }, is)
}

// shareOf is the share of those of a repeat's hosts that count.
func shareOf(none string, counts, is func(sample) bool) statistic {
	return statistic{kind: stats.Shares, none: none, of: func(_ *cell, g group) stats.Trial {
		var t tally
		for _, s := range g.samples {
			if counts(s) {
				t.add(is(s))
			}
		}
		return t.trial()
	}}
}

// wasServed tells whether the host was served content. That which its agent refuses is no content that it was to end
// with, unless it is what the vendor ships in the place of a bad update.
func wasServed(s sample) bool { return s.served != 0 }

// total is the number in a repeat. Hosts that were lost to infrastructure failures are taken to have fared as the others
// did, and do not count as hosts to which nothing happened.
func total(of func(sample) int) statistic {
	return statistic{kind: stats.Amounts, of: func(c *cell, g group) stats.Trial {
		sum := 0
		for _, s := range g.samples {
			sum += of(s)
		}
		return stats.Trial{Value: float64(sum*c.cell.Fleet.Hosts) / float64(len(g.samples))}
	}}
}

// hosts is the number of hosts of a repeat of which something is so, see total.
func hosts(are func(sample) bool) statistic {
	return total(func(s sample) int {
		if are(s) {
			return 1
		}
		return 0
	})
}

// outage is the mean over a repeat's hosts of a time that may still have gone on when observation ended, as of says.
func outage(what string, of func(sample) (spent time.Duration, still bool)) statistic {
	return statistic{
		kind: stats.Amounts,
		of: func(_ *cell, g group) stats.Trial {
			sum, open := 0.0, false
			for _, s := range g.samples {
				spent, still := of(s)
				sum += spent.Seconds()
				open = open || still
			}
			return stats.Trial{Value: sum / float64(len(g.samples)), Censored: open}
		},
		note: func(c *cell, _ results.Metric) string {
			open, all := 0, 0
			for _, s := range c.valid() {
				all++
				if _, still := of(s); still {
					open++
				}
			}
			if open == 0 {
				return ""
			}
			return fmt.Sprintf("%d of %d hosts were still %s when observation ended", open, all, what)
		},
	}
}

// fleetQuantile is a repeat's time from the injection until a share of its hit hosts had come back.
func fleetQuantile(p float64) statistic {
	return quantile(p, func(sample) time.Duration { return 0 })
}

// repairQuantile is one of a repeat's times from a host's being hit to its recovery.
func repairQuantile(p float64) statistic { return quantile(p, whenHit) }

func whenHit(s sample) time.Duration { return s.first }

// quantile is one of a repeat's hit hosts' times of recovery. Where their curve does not reach it, it is at least what it
// would be if all hosts had come back at the instant from which nothing is known of them.
func quantile(p float64, from func(sample) time.Duration) statistic {
	return statistic{
		kind: stats.Quantiles, none: noHostHit,
		of: func(_ *cell, g group) stats.Trial {
			curve := stats.KaplanMeier(times(g.samples, from))
			if curve.N == 0 {
				return stats.Trial{Undefined: true}
			}
			if at := curve.Quantile(p); at != nil {
				return stats.Trial{Value: *at}
			}
			return stats.Trial{Value: *curve.Bound(p), Censored: true}
		},
		note: func(c *cell, m results.Metric) string {
			if m.AtLeast == nil {
				return ""
			}
			curve := stats.KaplanMeier(times(c.valid(), from))
			return fmt.Sprintf("not reached: %d of %d hit hosts are censored", curve.Censored, curve.N)
		},
	}
}

// restrictedMean is the mean of a repeat's times of recovery, each cut at the deadline. Behind the last observation the
// curve stays where it was, which is what censored hosts deserve.
func restrictedMean(c *cell, g group) stats.Trial {
	curve := stats.KaplanMeier(times(g.samples, whenHit))
	if curve.N == 0 {
		return stats.Trial{Undefined: true}
	}
	return stats.Trial{Value: curve.RestrictedMean(time.Duration(c.plan.Deadline).Seconds())}
}

// times are the hit hosts' times from an instant to their recovery. A host that was up again when observation ended, but
// not for long enough, may prove to have recovered when it came up: until then alone is it known not to have.
func times(samples []sample, from func(sample) time.Duration) []stats.Observation {
	var obs []stats.Observation
	for _, s := range samples {
		switch {
		case !s.hit:
		case s.detail.Censored:
			known := s.unavailable[len(s.unavailable)-1].To
			obs = append(obs, stats.Observation{Time: (known - from(s)).Seconds(), Censored: true})
		default:
			obs = append(obs, stats.Observation{Time: (s.recovered - from(s)).Seconds()})
		}
	}
	return obs
}

// curve is the share of hit hosts of all repeats that are back over the time since they were hit. It is a picture of what
// happened: it has no limits, since hosts of one repeat tell of one another.
func (c *cell) curve() []results.CurvePoint {
	points := []results.CurvePoint{}
	for _, s := range stats.KaplanMeier(times(c.valid(), whenHit)).Steps {
		points = append(points, results.CurvePoint{At: s.Time, Back: 1 - s.Survival, AtRisk: s.AtRisk, Censored: s.Censored})
	}
	return points
}

// peakOf is the largest number of hosts that were unavailable at one instant.
func peakOf(group []sample) int {
	type edge struct {
		at   time.Duration
		step int
	}
	var edges []edge
	for _, s := range group {
		for _, u := range s.unavailable {
			edges = append(edges, edge{u.From, 1}, edge{u.To, -1})
		}
	}
	// A host that comes back at the instant at which another goes leaves before: ends come first.
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.step, b.step)) })
	now, peak := 0, 0
	for _, e := range edges {
		now += e.step
		peak = max(peak, now)
	}
	return peak
}

// after counts the moments after the injection.
func after(moments []results.Moment) int {
	n := 0
	for _, m := range moments {
		if m.At > 0 {
			n++
		}
	}
	return n
}

func exitTitle(e fleet.AgentExit) string {
	if e.Signal != 0 {
		return fmt.Sprintf("agent ended by signal %d", e.Signal)
	}
	return fmt.Sprintf("agent exited with code %d", e.Code)
}
