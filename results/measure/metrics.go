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

// metrics computes every metric of the cell. Definitions are in scenarios.Metrics.
func (c *cell) metrics() map[string]results.Metric {
	m := map[string]results.Metric{
		"blast_radius":      c.share(func(s sample) bool { return s.hit }),
		"peak_unavailable":  c.peak(),
		"host_seconds_lost": c.outage("unavailable", func(s sample) (time.Duration, bool) { return s.lost, s.out }),
		"crashes":           c.total(func(s sample) int { return after(s.detail.Panics) }),
		"agent_crashes":     c.total(func(s sample) int { return after(s.detail.AgentExits) }),
		"content_refused":   c.total(func(s sample) int { return s.refused }),
		"boots":             c.total(func(s sample) int { return s.detail.Boots }),
		"boot_loops":        c.total(func(s sample) int { return s.detail.BootLoops }),
		"censored":          c.hosts(func(s sample) bool { return s.detail.Censored }),
		"relapses":          c.hosts(func(s sample) bool { return s.relapsed }),
		"hangs":             c.total(func(s sample) int { return s.hangs }),
		"blocked_work":      c.total(func(s sample) int { return s.toll.hung }),
		"polls_failed":      c.total(func(s sample) int { return s.toll.pollsFailed }),
		"processes_killed":  c.total(func(s sample) int { return s.toll.killed }),
		"detection_before":  c.detection(before),
		"detection_during":  c.detection(during),
		"detection_after":   c.detection(afterwards),
		"visibility":        c.visible(),
		"work_latency":      c.workLatency(),
		"overhead":          c.overhead(),
		"memory_taken":      c.memoryTaken(),
		"run_delay":         c.runDelay(),
		"stranded":          c.stranded(),
	}
	if c.steady() == health.Protected {
		m["protection_radius"] = c.share(func(s sample) bool { return s.lostGuard })
		m["protection_gap"] = c.outage("without protection", func(s sample) (time.Duration, bool) { return s.gap, s.bare })
	} else {
		m["protection_radius"] = results.Metric{Note: "no agent, no protection to lose"}
		m["protection_gap"] = results.Metric{Note: "no agent, no protection to lose"}
	}
	repair := stats.KaplanMeier(c.repairTimes())
	m["time_to_recover_median"] = quantile(repair, 0.5)
	m["time_to_recover_p90"] = quantile(repair, 0.9)
	m["time_to_recover_p95"] = quantile(repair, 0.95)
	m["time_to_recover_mean"] = c.restrictedMean(repair)
	back := stats.KaplanMeier(c.times(func(sample) time.Duration { return 0 }))
	for _, percent := range []int{50, 90, 97, 99, 100} {
		m[fmt.Sprintf("fleet_recovery_%d", percent)] = quantile(back, float64(percent)/100)
	}
	none := len(c.valid()) == 0
	for _, definition := range scenarios.Metrics() {
		if x, ok := m[definition.Name]; ok {
			x.Unit = string(definition.Unit)
			if none && x.Value == nil {
				x.Note = noSample // whatever was not seen because nobody looked to the end, is not known not to have been
			}
			m[definition.Name] = x
		}
	}
	return m
}

// times are the hit hosts' times from an instant to their recovery. A host that was up again when observation ended, but not
// for long enough, may prove to have recovered when it came up: until then alone is it known not to have.
func (c *cell) times(from func(sample) time.Duration) []stats.Observation {
	var obs []stats.Observation
	for _, s := range c.valid() {
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

// repairTimes are the hit hosts' times from being hit to their recovery.
func (c *cell) repairTimes() []stats.Observation {
	return c.times(func(s sample) time.Duration { return s.first })
}

// curve is the share of hit hosts that are back over the time since they were hit.
func (c *cell) curve() []results.CurvePoint {
	points := []results.CurvePoint{}
	for _, s := range stats.KaplanMeier(c.repairTimes()).Steps {
		points = append(points, results.CurvePoint{
			At: s.Time, Back: 1 - s.Survival, Lo: 1 - s.Hi, Hi: 1 - s.Lo, AtRisk: s.AtRisk, Censored: s.Censored,
		})
	}
	return points
}

// noSample is the note of every figure of a cell of which no sample counts.
const noSample = "no valid sample"

// noHostHit is the note of times of recovery that nobody needed.
const noHostHit = "no host was hit"

// quantile is one of the curve. Where the curve does not reach it, it is at least what it would be if all hosts had come back
// at the instant from which nothing is known of them.
func quantile(k stats.Curve, p float64) results.Metric {
	if k.N == 0 {
		return results.Metric{Note: noHostHit}
	}
	q := k.Quantile(p)
	m := results.Metric{Value: q.Value, Lo: q.Lo, Hi: q.Hi, N: k.N}
	if q.Value == nil {
		m.AtLeast = k.Bound(p)
		m.Note = fmt.Sprintf("not reached: %d of %d hit hosts are censored", k.Censored, k.N)
	}
	return m
}

// restrictedMean is the mean up to the deadline. Behind the last observation the curve stays where it was, which is what
// censored hosts deserve.
func (c *cell) restrictedMean(k stats.Curve) results.Metric {
	if k.N == 0 {
		return results.Metric{Note: noHostHit}
	}
	mean := k.RestrictedMean(time.Duration(c.plan.Deadline).Seconds())
	return results.Metric{Value: &mean.Value, Lo: &mean.Lo, Hi: &mean.Hi, N: k.N}
}

func (c *cell) share(is func(sample) bool) results.Metric {
	var t tally
	for _, s := range c.valid() {
		t.n++
		if is(s) {
			t.yes++
		}
	}
	return t.metric(noSample)
}

// metric is the share with its Wilson interval.
func (t tally) metric(ifNone string) results.Metric {
	if t.n == 0 {
		return results.Metric{Note: ifNone}
	}
	value := float64(t.yes) / float64(t.n)
	iv := stats.Wilson(t.yes, t.n)
	return results.Metric{Value: &value, Lo: &iv.Lo, Hi: &iv.Hi, N: t.n}
}

// peak is the largest share unavailable at one instant, over the trials' own peaks.
func (c *cell) peak() results.Metric {
	var t tally
	for _, group := range c.groups {
		t.n += len(group)
		t.yes += peakOf(group)
	}
	return t.metric(noSample)
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

// mean is the mean over hosts with its bootstrap interval.
func (c *cell) mean(of func(sample) float64) results.Metric {
	return c.bootstrapped(func(samples []sample) float64 {
		sum := 0.0
		for _, s := range samples {
			sum += of(s)
		}
		return sum / float64(len(samples))
	})
}

// outage is the mean over hosts of a time that may still have gone on when observation ended, as of says.
func (c *cell) outage(what string, of func(sample) (spent time.Duration, still bool)) results.Metric {
	m := c.mean(func(s sample) float64 {
		spent, _ := of(s)
		return spent.Seconds()
	})
	open := 0
	for _, s := range c.valid() {
		if _, still := of(s); still {
			open++
		}
	}
	if open > 0 {
		m.AtLeast, m.Hi = m.Value, nil
		m.Note = fmt.Sprintf("%d of %d hosts were still %s when observation ended", open, m.N, what)
	}
	return m
}

// total is the number in a trial, the mean over trials: the mean over hosts times the hosts of a trial, so that hosts that
// were lost to infrastructure failures do not count as hosts to which nothing happened.
func (c *cell) total(of func(sample) int) results.Metric {
	return c.bootstrapped(func(samples []sample) float64 {
		sum := 0
		for _, s := range samples {
			sum += of(s)
		}
		return float64(sum*c.cell.Fleet.Hosts) / float64(len(samples))
	})
}

// hosts is the number of hosts of a trial of which something is so, see total.
func (c *cell) hosts(are func(sample) bool) results.Metric {
	return c.total(func(s sample) int {
		if are(s) {
			return 1
		}
		return 0
	})
}

func (c *cell) bootstrapped(statistic func([]sample) float64) results.Metric {
	return c.bootstrappedOf(noSample, func(sample) bool { return true }, statistic)
}

// bootstrappedOf is a statistic of those samples that have what it needs.
func (c *cell) bootstrappedOf(ifNone string, has func(sample) bool, statistic func([]sample) float64) results.Metric {
	var groups [][]sample
	for _, group := range c.groups {
		groups = append(groups, slices.DeleteFunc(slices.Clone(group), func(s sample) bool { return !has(s) }))
	}
	all := slices.Concat(groups...)
	if len(all) == 0 {
		return results.Metric{Note: ifNone}
	}
	value := statistic(all)
	m := results.Metric{Value: &value, N: len(all)}
	if iv, ok := stats.Bootstrap(groups, statistic, stats.Resampling{Seed: c.plan.Seed}); ok {
		m.Lo, m.Hi = &iv.Lo, &iv.Hi
	} else {
		m.Note = "one sample has no interval"
	}
	return m
}

// stranded is the share of hosts that ended without the content that they were served last. Content that an agent refuses is no
// content that it was to end with, unless it is what the vendor ships in the place of a bad update.
func (c *cell) stranded() results.Metric {
	if c.steady() != health.Protected {
		return results.Metric{Note: "no agent, no content to take"}
	}
	var t tally
	for _, s := range c.valid() {
		if s.served == 0 {
			continue
		}
		t.n++
		if s.stranded {
			t.yes++
		}
	}
	return t.metric("no content was served")
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
