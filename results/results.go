// Package results holds what a run leaves behind: the journal, which is the result, and the run's directory. What is
// computed from a journal lives above it: measure (figures), stats (intervals and survival) and report (pages).
package results

import (
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/fleetfall/fleetfall/scenarios"
)

// Schema is the version of Results' JSON form.
const Schema = 2

// Results is results.json: every figure of a run, computed from its journal alone. Times are seconds, relative to the
// injection of the update in their trial unless said otherwise.
type Results struct {
	Schema       int           `json:"schema"`
	Scenario     Scenario      `json:"scenario"`
	Run          Run           `json:"run"`
	Provenance   Provenance    `json:"provenance"`
	Cells        []Cell        `json:"cells"`
	Causes       []RunCause    `json:"causes"` // of panics, over all cells, most frequent first
	Comparisons  []Comparison  `json:"comparisons"`
	Expectations []Expectation `json:"expectations"`
	Verdict      Status        `json:"verdict"`

	// Verification has each trial of a run with verification, in the order of cells; it is empty for any other run.
	Verification []Verification `json:"verification,omitempty"`
}

// Scenario is what was asked.
type Scenario struct {
	Name        string              `json:"name"`
	Description string              `json:"description"`
	Seed        uint64              `json:"seed"`
	Deadline    scenarios.Duration  `json:"deadline"`
	StableFor   scenarios.Duration  `json:"stable_for"`
	Liveness    scenarios.Duration  `json:"liveness"`
	Repeat      int                 `json:"repeat"`
	Paces       []string            `json:"paces"` // what hosts wait for, a line for each recovery and revert; see measure
	Variables   []scenarios.Setting `json:"variables"`
	SourceName  string              `json:"source_name"`
	Source      string              `json:"source"`
}

// Run is when and how it went.
type Run struct {
	ID       string  `json:"id"`
	Started  string  `json:"started"`  // RFC 3339
	Duration float64 `json:"duration"` // s of wall-clock time, of all parts that came to an end of their own
	Status   string  `json:"status"`   // "complete", "interrupted" (also killed), "failed", or "running", which no results.json says
	Reason   string  `json:"reason,omitempty"`
	Replays  string  `json:"replays,omitempty"` // ID of the run whose recorded events these figures are of
	// Unchecked: the journal's entries carry no checksums, so that damage to it may not have been noticed.
	Unchecked bool   `json:"unchecked,omitempty"`
	Resumed   []Part `json:"resumed,omitempty"` // times that it was taken up again, in order
	Shard     string `json:"shard,omitempty"`   // "2/4": the part of the plan's trials that it has; "" for all of them
}

// A Part of a run that was resumed: when it began, and which facts of its provenance were other than the first part's.
type Part struct {
	Started string `json:"started"` // RFC 3339
	Changed []Fact `json:"changed"` // with the values from then on; "" for a fact that was no longer there
}

// Provenance is what it ran on, as pairs in a fixed order, so that a reader sees all of it.
type Provenance struct {
	Clock string `json:"clock"`
	Facts []Fact `json:"facts"`
}

// Fact is one line of provenance, e.g. {"accelerator", "tcg (kvm cannot run the image's kernel)"}.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A Cell is one independent experiment with all its trials.
type Cell struct {
	ID           string            `json:"id"`
	Fleet        string            `json:"fleet"`
	Architecture string            `json:"architecture"`
	Control      bool              `json:"control"`
	Update       string            `json:"update"`
	Fault        string            `json:"fault"`
	Rollout      string            `json:"rollout"`
	Recovery     string            `json:"recovery"`
	Hosts        int               `json:"hosts"`                // of the whole fleet
	Waves        int               `json:"waves,omitempty"`      // parts that the fleet was run in, one after the other; 0 when it was whole
	Repeats      int               `json:"repeats"`              // that were begun
	Invalid      int               `json:"invalid"`              // host samples lost to infrastructure failures
	Unfinished   int               `json:"unfinished,omitempty"` // host samples of trials that were interrupted
	Retried      int               `json:"retried,omitempty"`    // trials that were run again, and hosts whose first boot was
	Metrics      map[string]Metric `json:"metrics"`
	Trials       []Trial           `json:"trials"`
	HostsDetail  []HostDetail      `json:"hosts_detail"`
	Curve        []CurvePoint      `json:"recovery_curve"` // empty when no host was hit
	Causes       []Cause           `json:"causes"`         // of panics, most frequent first
	Visibility   []Visibility      `json:"visibility"`     // a kind of synthetic threat each, in the order of fleet.ThreatKinds
	Loads        []Load            `json:"loads"`          // a kind of work each, in the order of fleet.LoadKinds
}

// A Metric is a figure over the trials of a cell. A nil value could not be computed, and Note says why.
type Metric struct {
	Value *float64 `json:"value"`
	Lo    *float64 `json:"lo"` // limits of its interval; nil where there is none
	Hi    *float64 `json:"hi"`
	N     int      `json:"n"`    // trials that it rests on; the waves of one repeat are one
	Unit  string   `json:"unit"` // "share", "ratio", "s", "count", "bytes"
	Note  string   `json:"note,omitempty"`

	Over      string  `json:"over,omitempty"`      // what Value and its interval are over, e.g. "mean of 5 repeats"
	Level     float64 `json:"level,omitempty"`     // how often such intervals hold what they are of; 0 when there is none
	OneSided  bool    `json:"one_sided,omitempty"` // Level is of the one limit that is not at the end of the range
	Wants     string  `json:"wants,omitempty"`     // what would give an interval; empty when there is one
	Undefined int     `json:"undefined,omitempty"` // trials that were left out because they have no value
	Censored  int     `json:"censored,omitempty"`  // of N: their own value was not reached
	LoAtLeast bool    `json:"lo_at_least,omitempty"`
	HiAtLeast bool    `json:"hi_at_least,omitempty"` // the limit was not reached: it is Hi or more

	// AtLeast is there when observation ended too early to know the figure: it is no less than this. Value is then the same, or nil
	// where a larger one would not be the figure either, as for a quantile that the curve does not reach.
	AtLeast *float64 `json:"at_least,omitempty"`
}

// Holds tells whether the interval holds v, in the metric's unit; false when there is no interval. An upper limit that was
// not reached, and a limit that is open, hold all that lies beyond them. Limits were computed, so they are taken to a billionth of themselves, or of 1.
func (m Metric) Holds(v float64) bool {
	above := func(limit float64) float64 { return 1e-9 * max(1, math.Abs(limit)) }
	return m.Level > 0 && (m.Lo == nil || *m.Lo <= v+above(*m.Lo)) && (m.Hi == nil || m.HiAtLeast || v-above(*m.Hi) <= *m.Hi)
}

// A Trial is one repeat of a cell, or of one part of its fleet.
type Trial struct {
	Repeat   int      `json:"repeat"`
	Wave     int      `json:"wave,omitempty"`    // part of the fleet, from 1; 0 when the fleet was whole
	Waves    int      `json:"waves,omitempty"`   // parts in all; 0 when the fleet was whole
	Attempt  int      `json:"attempt,omitempty"` // 2 when it was run again after an invalid one; else 0
	Seed     uint64   `json:"seed"`
	Ready    *float64 `json:"ready"`    // s from the trial's start to the fleet being ready; nil when it never was
	Reverted *float64 `json:"reverted"` // s after the injection
	End      *float64 `json:"end"`      // s after the injection; nil when nothing was injected
	Status   string   `json:"status"`   // "settled", "deadline", "invalid", "interrupted"
	Reason   string   `json:"reason,omitempty"`
	// Superseded: another trial has taken its place, because it was invalid or did not come to an end. It is in no figure.
	Superseded bool `json:"superseded,omitempty"`
}

// A HostDetail is one host in one trial.
type HostDetail struct {
	Host             string   `json:"host"`
	Node             string   `json:"node,omitempty"` // the machine that it ran on, where there was more than one
	Repeat           int      `json:"repeat"`
	Wave             int      `json:"wave,omitempty"`
	Invalid          string   `json:"invalid,omitempty"` // why the sample does not count
	Retried          int      `json:"retried,omitempty"` // boots that were tried again after an infrastructure failure
	Spans            []Span   `json:"spans"`             // adjoining, from the first boot to the trial's end
	Panics           []Moment `json:"panics"`
	AgentExits       []Moment `json:"agent_exits"`
	Boots            int      `json:"boots"` // after the injection
	BootLoops        int      `json:"boot_loops"`
	FirstUnavailable *float64 `json:"first_unavailable"`
	Recovered        *float64 `json:"recovered"` // start of stable availability; nil when censored or never hit
	Censored         bool     `json:"censored"`  // hit, and not back by the deadline
}

// A Span is a stretch of time in one state, see package health.
type Span struct {
	State string  `json:"state"`
	From  float64 `json:"from"`
	To    float64 `json:"to"`
}

// A Moment is something that happened at a time.
type Moment struct {
	At    float64 `json:"at"`
	Title string  `json:"title"`
}

// A CurvePoint is a step of the Kaplan-Meier estimate of the share of hit hosts, of all repeats together, that are back at
// a time after they were hit.
type CurvePoint struct {
	At       float64 `json:"at"`
	Back     float64 `json:"back"`     // share, 0 to 1
	AtRisk   int     `json:"at_risk"`  // hosts not back just before At
	Censored int     `json:"censored"` // hosts censored at At
}

// A Cause is one distinct way in which kernels died.
type Cause struct {
	Title    string  `json:"title"`
	Type     string  `json:"type"`
	Module   string  `json:"module"`
	Function string  `json:"function"`
	Offset   string  `json:"offset"`
	Count    int     `json:"count"`
	Hosts    int     `json:"hosts"`
	Host     string  `json:"host"` // of the first, whose excerpt this is
	At       float64 `json:"at"`
	Excerpt  string  `json:"excerpt"`
	Caller   string  `json:"caller,omitempty"` // whose call it was when Function is in the kernel proper, e.g. "agentk:ff_load"
	Dump     string  `json:"dump,omitempty"`   // the first memory dump of such a crash, in the run's directory
}

// A RunCause is a cause over all cells. Its hosts are those of all cells together, and its first host is one of the first cell.
type RunCause struct {
	Cause
	Cells []Struck `json:"cells"` // in the order of cells
}

// Struck is what a cause did to one cell.
type Struck struct {
	Cell  string `json:"cell"` // ID
	Count int    `json:"count"`
	Hosts int    `json:"hosts"`
}

// Visibility is what became of the synthetic threats of one kind, in samples that count: before the injection, from there to
// the whole fleet's recovery, and after. What a copy inherited from its template is in none of them.
type Visibility struct {
	What   string   `json:"what"`
	Before Detected `json:"before"`
	During Detected `json:"during"`
	After  Detected `json:"after"`
}

// Detected says how many of n threats were stopped or reported, and how late those that were reported.
type Detected struct {
	N          int      `json:"n"`
	Detected   int      `json:"detected"`
	Latency    *float64 `json:"latency"`     // s from threat to report, median; nil when none was reported
	LatencyMax *float64 `json:"latency_max"` // the longest
}

// A Load is what one kind of work took, in samples that count.
type Load struct {
	What   string `json:"what"`
	Before Work   `json:"before"` // the injection
	After  Work   `json:"after"`
}

// Work is units of work that succeeded.
type Work struct {
	Units int      `json:"units"`
	Mean  *float64 `json:"mean"` // s for one of them; nil when there is none
}

// A Comparison is a test of two cells that differ in their fleet alone, over trials paired by what they drew: those of
// one repeat.
type Comparison struct {
	A          string   `json:"a"` // cell IDs
	B          string   `json:"b"`
	Metric     string   `json:"metric"`
	Test       string   `json:"test"`       // "sign-flip"
	Difference Metric   `json:"difference"` // of A less B, over the pairs
	PValue     *float64 `json:"p"`          // two-sided; nil below six pairs
	Adjusted   *float64 `json:"p_adjusted"` // Holm's, within the metric's family
	Family     int      `json:"family"`     // comparisons of this metric
	Pairs      int      `json:"pairs"`
	Undefined  int      `json:"undefined,omitempty"` // pairs that were left out: a trial of theirs has no value
	Undecided  int      `json:"undecided,omitempty"` // of Pairs: censoring hides which of the two is larger
	Wants      string   `json:"wants,omitempty"`     // how many repeats would decide; empty when these can
	Note       string   `json:"note,omitempty"`      // why there is no test at all
}

// Status of an expectation, and of a whole run.
type Status string

const (
	Met          Status = "met"
	Missed       Status = "missed"
	Inconclusive Status = "inconclusive" // too much was invalid or interrupted to tell
)

// An Expectation is a bound of the scenario with what came of it.
type Expectation struct {
	Name   string   `json:"name"`
	Cell   string   `json:"cell"`
	Status Status   `json:"status"`
	Metric string   `json:"metric"`
	Value  *float64 `json:"value"`
	Min    *float64 `json:"min,omitempty"` // in the metric's unit; at least one of the two is there
	Max    *float64 `json:"max,omitempty"`
	Note   string   `json:"note,omitempty"`

	AtLeast *float64 `json:"at_least,omitempty"` // as the metric's
}

// Encode writes r as results.json: indented, keys in a fixed order, the same bytes for the same results.
func Encode(w io.Writer, r *Results) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Decode reads what Encode wrote.
func Decode(rd io.Reader) (*Results, error) {
	var r Results
	if err := json.NewDecoder(rd).Decode(&r); err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	if r.Schema != Schema {
		return nil, fmt.Errorf("results: schema %d, this fleetfall reads %d", r.Schema, Schema)
	}
	return &r, nil
}
