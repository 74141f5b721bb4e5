// Package measure computes a run's figures from its journal, and from nothing else: the same journal gives the same
// bytes, and a newer fleetfall can compute more from an old one.
package measure

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/draw"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/health"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/stats"
	"github.com/fleetfall/fleetfall/scenarios"
)

// Compute measures every cell of the journal, compares them, and judges the scenario's expectations.
//
// What a host did counts unless the testbed failed it: samples lost to infrastructure failures, and trials that were
// invalid or interrupted, are counted and shown, and are in no metric. A trial whose place another has taken is shown, and
// its hosts are not. The waves of one repeat are one group of samples, each timed from its own injection.
func Compute(j *results.Journal) *results.Results {
	p := j.Plan
	r := &results.Results{
		Schema: results.Schema,
		Scenario: results.Scenario{
			Name: p.Scenario, Description: p.Description, Seed: p.Seed, Deadline: p.Deadline, StableFor: p.StableFor,
			Liveness: p.Liveness, Repeat: p.Repeat, Paces: paces(p), Variables: notNil(p.Variables), SourceName: p.SourceName, Source: p.Source,
		},
		Run:        results.Run{ID: j.RunID, Started: j.Started.UTC().Format(time.RFC3339), Status: j.Status, Reason: j.Reason, Replays: j.Replays, Unchecked: j.Unchecked},
		Provenance: j.Provenance,
		Cells:      []results.Cell{}, Comparisons: []results.Comparison{}, Expectations: []results.Expectation{},
	}
	for _, part := range j.Resumed {
		r.Run.Resumed = append(r.Run.Resumed, results.Part{
			Started: part.Started.UTC().Format(time.RFC3339), Changed: changed(j.Provenance.Facts, part.Provenance.Facts),
		})
	}
	if j.Shard != nil {
		r.Run.Shard = j.Shard.String()
	}
	r.Run.Duration = j.Took.Seconds()
	if j.Ending != nil {
		r.Provenance.Facts = append(slices.Clone(r.Provenance.Facts), j.Ending.Facts...)
	}
	r.Provenance.Facts = notNil(r.Provenance.Facts)
	samples := map[string]*cell{}
	for _, c := range p.Cells {
		m := newCell(p, c, j.Draws)
		for _, t := range j.Trials {
			if t.Cell == c.ID && t.Verifies == 0 {
				m.add(t)
			}
		}
		samples[c.ID] = m
	}
	bare := bareWork(p, samples)
	for _, c := range p.Cells {
		samples[c.ID].bare = bare
		r.Cells = append(r.Cells, samples[c.ID].results())
	}
	r.Causes = overall(p, samples)
	r.Comparisons = compare(p, samples)
	r.Expectations, r.Verdict = judge(p, r)
	r.Verification = verifications(j)
	return r
}

// changed lists the facts of a later part that are other than the first part's, and those that are no longer there.
func changed(first, later []results.Fact) []results.Fact {
	out := []results.Fact{}
	for _, f := range later {
		if !slices.Contains(first, f) {
			out = append(out, f)
		}
	}
	for _, f := range first {
		if !slices.ContainsFunc(later, func(l results.Fact) bool { return l.Name == f.Name }) {
			out = append(out, results.Fact{Name: f.Name})
		}
	}
	return out
}

func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// A cell gathers the samples of one cell.
type cell struct {
	plan    *scenarios.Plan
	cell    scenarios.Cell
	limits  health.Limits
	trials  []results.Trial
	samples []sample                 // all, also those that do not count
	groups  []group                  // in the order in which repeats began
	group   map[int]int              // of a repeat, its place in groups
	values  map[string][]stats.Trial // of a metric, what each group with a sample comes to; as far as it was asked for
	waves   int                      // parts that the fleet was run in; 0 when it was whole
	retried int                      // trials that were run again
	causes  map[fleet.Panic]*cause   // by what was parsed, without the excerpt
	bare    map[int]map[string]work  // before the injection by kind, of all fleets without an agent; by repeat
}

func newCell(p *scenarios.Plan, c scenarios.Cell, draws draw.Way) *cell {
	return &cell{
		plan: p, cell: c, causes: map[fleet.Panic]*cause{}, group: map[int]int{}, values: map[string][]stats.Trial{},
		limits: health.Limits{
			Liveness: time.Duration(p.Liveness), Latency: time.Duration(p.Latency), Forgets: draws == draw.ByName,
		},
	}
}

// add reads one trial of the cell.
func (c *cell) add(t *results.TrialRecord) {
	c.waves = max(c.waves, t.Waves)
	if t.Attempt == 2 && !t.Superseded {
		c.retried++
	}
	i, ok := c.group[t.Repeat]
	if !ok {
		i = len(c.groups)
		c.group[t.Repeat], c.groups = i, append(c.groups, group{repeat: t.Repeat})
	}
	if t.Superseded {
		c.trials = append(c.trials, header(t))
		return
	}
	trial, samples := c.read(t)
	c.trials = append(c.trials, trial)
	c.samples = append(c.samples, samples...)
	place := results.PlaceName(t.Cell, t.Repeat, t.Wave, t.Verifies != 0)
	for _, s := range samples {
		if s.detail.Invalid == "" {
			c.groups[i].samples = append(c.groups[i].samples, s)
			for _, p := range s.panics {
				c.cause(s.detail, place, p)
			}
		}
	}
}

// valid returns the samples that count.
func (c *cell) valid() []sample {
	var all []sample
	for _, g := range c.groups {
		all = append(all, g.samples...)
	}
	return all
}

func (c *cell) results() results.Cell {
	r := results.Cell{
		ID: c.cell.ID, Fleet: c.cell.Fleet.Name, Architecture: c.cell.Fleet.Architecture, Control: c.cell.Fleet.Control,
		Update: c.cell.Update.Name, Fault: c.cell.Update.Fault, Rollout: c.cell.Rollout, Recovery: c.cell.Recovery.Name,
		Hosts: c.cell.Fleet.Hosts, Waves: c.waves, Repeats: len(c.groups), Retried: c.retried,
		Trials: notNil(c.trials), HostsDetail: []results.HostDetail{},
		Metrics: c.metrics(), Curve: c.curve(), Causes: c.ranked(),
		Visibility: c.visibility(), Loads: c.loads(),
	}
	for _, s := range c.samples {
		switch {
		case s.unfinished:
			r.Unfinished++
		case s.detail.Invalid != "":
			r.Invalid++
		}
		r.Retried += s.detail.Retried
		r.HostsDetail = append(r.HostsDetail, s.detail)
	}
	return r
}

// judge holds the figures against the scenario's expectations. One that cannot be told, because of what was lost or never
// run, is inconclusive, and so is then the verdict unless another expectation was missed.
func judge(p *scenarios.Plan, r *results.Results) ([]results.Expectation, results.Status) {
	verdict := results.Met
	if r.Run.Status != results.StatusComplete {
		verdict = results.Inconclusive
	}
	out := []results.Expectation{}
	for _, e := range p.Expect {
		for i, c := range r.Cells {
			if !e.Matches(p.Cells[i]) {
				continue
			}
			x := expectation(p, e, c)
			out = append(out, x)
			switch {
			case x.Status == results.Missed:
				verdict = results.Missed
			case x.Status == results.Inconclusive && verdict == results.Met:
				verdict = results.Inconclusive
			}
		}
	}
	return out, verdict
}

func expectation(p *scenarios.Plan, e scenarios.Expect, c results.Cell) results.Expectation {
	m := c.Metrics[e.Metric]
	x := results.Expectation{
		Name: e.Name, Cell: c.ID, Metric: e.Metric, Value: m.Value, AtLeast: m.AtLeast, Min: e.Min, Max: e.Max, Status: results.Met,
	}
	whole := wholeRepeats(c)
	total := len(c.HostsDetail)
	switch {
	case whole < p.Repeat:
		x.Status, x.Note = results.Inconclusive, fmt.Sprintf("%d of %d repeats came to an end", whole, p.Repeat)
	case 4*c.Invalid > total:
		x.Status, x.Note = results.Inconclusive, fmt.Sprintf("%d of %d host samples were lost to infrastructure failures", c.Invalid, total)
	default:
		x.Status, x.Note = judged(m, e.Min, e.Max)
	}
	return x
}

// judged holds one figure against its bounds. One that is only known to be so much at least misses a maximum below that, and
// meets a minimum; of a time that nobody needed, since no host was hit, no maximum is missed.
func judged(m results.Metric, least, most *float64) (status results.Status, note string) {
	unknown := m.Value == nil && m.AtLeast == nil
	value := cmp.Or(m.Value, m.AtLeast)
	switch {
	case unknown && m.Note == noHostHit && least == nil:
		return results.Met, m.Note
	case unknown:
		return results.Inconclusive, cmp.Or(m.Note, "no such figure")
	case most != nil && *value > *most:
		return results.Missed, m.Note
	case m.AtLeast != nil && (most != nil || least != nil && *value < *least):
		return results.Inconclusive, m.Note + ": a longer deadline would tell"
	case least != nil && *value < *least:
		return results.Missed, ""
	}
	return results.Met, ""
}

// wholeRepeats counts the repeats of which every wave came to an end.
func wholeRepeats(c results.Cell) int {
	ended := map[int]int{} // waves of a repeat
	for _, t := range c.Trials {
		if t.Status == "settled" || t.Status == "deadline" {
			ended[t.Repeat]++
		}
	}
	whole := 0
	for _, n := range ended {
		if n >= max(1, c.Waves) {
			whole++
		}
	}
	return whole
}
