package measure_test

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fleetfall/fleetfall/orchestrator/draw"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/measure"
	"github.com/fleetfall/fleetfall/scenarios"
)

const s = time.Second

// A story builds a journal by hand, with times in seconds after the injection.
type story struct {
	journal *results.Journal
	trial   *results.TrialRecord
}

// injectedAt is when every story's update is injected on the trial's clock.
const injectedAt = 100 * s

func newStory(architecture string) *story {
	cell := scenarios.Cell{
		ID:     "f/u/everyone/r",
		Fleet:  scenarios.Fleet{Name: "f", Architecture: architecture},
		Update: scenarios.Update{Name: "u", Fault: "field_count"}, Rollout: "everyone", Recovery: scenarios.Recovery{Name: "r"},
	}
	j := &results.Journal{Status: "complete", Header: results.Header{RunID: "abc123", Draws: draw.ByIndex, Plan: &scenarios.Plan{
		Scenario: "s", Seed: 1, Repeat: 1, Deadline: scenarios.Duration(100 * s), StableFor: scenarios.Duration(5 * s),
		Liveness: scenarios.Duration(10 * s), Latency: scenarios.Duration(s), Cells: []scenarios.Cell{cell},
	}}}
	return &story{journal: j}
}

// begin starts a trial of hosts that are up and protected, with a beat at the injection.
func (y *story) begin(hosts ...string) *story {
	y.trial = &results.TrialRecord{
		TrialHeader: results.TrialHeader{Cell: "f/u/everyone/r", Repeat: len(y.journal.Trials)},
		Number:      len(y.journal.Trials) + 1, Marks: map[string]time.Duration{results.MarkReady: 90 * s, results.MarkInjected: injectedAt},
	}
	y.journal.Trials = append(y.journal.Trials, y.trial)
	y.journal.Plan.Cells[0].Fleet.Hosts = len(hosts)
	for _, h := range hosts {
		y.trial.Hosts = append(y.trial.Hosts, fleet.HostSpec{Name: h, Tempo: fleet.Tempo{Beat: 5 * s}})
		y.at(-20, h, fleet.Booting{Mode: fleet.Normal})
	}
	for _, h := range hosts {
		y.up(-10, h)
	}
	for _, h := range hosts {
		y.up(0, h)
	}
	return y
}

func (y *story) at(t float64, host string, what fleet.Happening) *story {
	at := injectedAt + time.Duration(t*float64(s))
	y.trial.Events = append(y.trial.Events, fleet.Event{At: at, Host: host, What: what})
	return y
}

// up is a beat of a host whose agent stops threats.
func (y *story) up(t float64, host string) *story {
	return y.at(t, host, fleet.Threat{What: "exec", Blocked: true}).at(t, host, beat())
}

// beats keeps hosts up from one time to another, so that they are not taken for hung.
func (y *story) beats(from, to float64, hosts ...string) *story {
	for t := from; t <= to; t += 5 {
		for _, h := range hosts {
			y.at(t, h, beat())
		}
	}
	return y
}

// end ends the trial, and puts what was told of it in order.
func (y *story) end(t float64, status string) *story {
	slices.SortStableFunc(y.trial.Events, func(a, b fleet.Event) int { return cmp.Compare(a.At, b.At) })
	y.trial.Status, y.trial.End = status, injectedAt+time.Duration(t*float64(s))
	return y
}

func beat() fleet.Beat { return fleet.Beat{WorkUnits: 1, WorkMax: s / 10, WorkTotal: s / 10} }

func panicked() fleet.Panic {
	return fleet.Panic{Title: "page fault in agentk:ff_evaluate", Type: "page_fault", Module: "agentk", Function: "ff_evaluate"}
}

func value(t *testing.T, c results.Cell, name string) float64 {
	t.Helper()
	m, ok := c.Metrics[name]
	if !ok || m.Value == nil {
		t.Errorf("%s has no value: %+v", name, m)
		return math.NaN()
	}
	return *m.Value
}

func expectMetrics(t *testing.T, c results.Cell, want map[string]float64) {
	t.Helper()
	for name, w := range want {
		if got := value(t, c, name); math.Abs(got-w) > 1e-9 {
			t.Errorf("%s is %v, want %v", name, got, w)
		}
	}
}

// TestKernelStory is four hosts: one loops and is back after 30 s, one crashes once and is back after 10 s, one never comes
// back, and one never takes the update.
func TestKernelStory(t *testing.T) {
	y := newStory("kernel").begin("a", "b", "c", "d")
	y.at(4, "a", panicked()).at(4, "b", panicked()).at(4, "c", panicked())
	y.at(5, "a", fleet.Booting{Mode: fleet.Normal}).at(5, "b", fleet.Booting{Mode: fleet.Normal})
	y.beats(5, 10, "d").at(10, "a", panicked())
	y.at(14, "b", beat()).up(15, "b") // available from 14, protected from 15
	y.beats(15, 20, "b", "d").at(20, "a", fleet.Booting{Mode: fleet.Safe}).beats(25, 30, "b", "d").at(30, "a", fleet.Booting{Mode: fleet.Normal})
	y.up(34, "a").beats(35, 60, "a", "b", "d").at(60, "d", fleet.Threat{What: "exec"}).at(60, "d", beat()).end(60, "deadline")
	r := measure.Compute(y.journal)
	c := r.Cells[0]
	expectMetrics(t, c, map[string]float64{
		"blast_radius": 0.75, "protection_radius": 0.75, "peak_unavailable": 0.75,
		"host_seconds_lost": (30.0 + 10 + 56 + 0) / 4, "protection_gap": (30.0 + 11 + 56 + 0) / 4,
		"crashes": 4, "boots": 4, "boot_loops": 1, "censored": 1, "agent_crashes": 0,
		"time_to_recover_median": 30, "fleet_recovery_50": 34, "work_latency": 0.1,
		// Restricted to 100 s: S is 1 to 10, 2/3 to 30, 1/3 to 100.
		"time_to_recover_mean": 10 + 20*2.0/3 + 70.0/3,
	})
	if m := c.Metrics["time_to_recover_p90"]; m.Value != nil || m.Note == "" || m.N != 1 || m.AtLeast == nil || *m.AtLeast != 56 {
		t.Errorf("p90 with one of three censored is %+v, want none, 56 s at least and a note", m)
	}
	for name, note := range map[string]string{
		"host_seconds_lost": "1 of 4 hosts were still unavailable when observation ended",
		"protection_gap":    "1 of 4 hosts were still without protection when observation ended",
	} {
		if m := c.Metrics[name]; m.AtLeast == nil || *m.AtLeast != *m.Value || m.Hi != nil || m.Note != note {
			t.Errorf("%s: %+v, want a lower bound", name, m)
		}
	}
	if m := c.Metrics["blast_radius"]; m.N != 1 || m.Lo != nil || m.Hi != nil || m.Wants == "" {
		t.Errorf("blast radius %+v, want that of one trial, and what would give an interval", m)
	}
	wantCurve := []results.CurvePoint{
		{At: 10, Back: 1 - 2.0/3, AtRisk: 3}, {At: 30, Back: 1 - 1.0/3, AtRisk: 2}, {At: 56, Back: 1 - 1.0/3, AtRisk: 1, Censored: 1},
	}
	if diff := gocmp.Diff(wantCurve, c.Curve, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Errorf("curve (-want +got):\n%s", diff)
	}
	if len(c.Causes) != 1 || c.Causes[0].Count != 4 || c.Causes[0].Hosts != 3 {
		t.Errorf("causes %+v", c.Causes)
	}
	a := c.HostsDetail[0]
	if a.FirstUnavailable == nil || *a.FirstUnavailable != 4 || a.Recovered == nil || *a.Recovered != 34 || a.BootLoops != 1 {
		t.Errorf("host a: %+v", a)
	}
	want := []results.Span{
		{State: "off", From: -100, To: -20}, {State: "down", From: -20, To: -10}, {State: "protected", From: -10, To: 4}, {State: "down", From: 4, To: 20},
		{State: "repair", From: 20, To: 30}, {State: "down", From: 30, To: 34}, {State: "protected", From: 34, To: 60},
	}
	if diff := gocmp.Diff(want, a.Spans); diff != "" {
		t.Errorf("spans of a (-want +got):\n%s", diff)
	}
	if third := c.HostsDetail[2]; !third.Censored || third.Recovered != nil {
		t.Errorf("host c: %+v, want censored", third)
	}
}

func TestUserStory(t *testing.T) {
	y := newStory("user").begin("a", "b")
	for _, h := range []string{"a", "b"} {
		y.at(-5, h, fleet.Threat{What: "exec", Inherited: true}) // the template missed it: no sample of these hosts
		y.at(-4, h, fleet.Threat{What: "exec", Blocked: true})
		y.at(1, h, fleet.ContentRefused{Version: 2, Reason: "bad signature"})
		y.at(2, h, fleet.AgentExit{Signal: 11}).at(3, h, fleet.Threat{What: "exec"}).at(3, h, beat())
	}
	y.beats(8, 18, "a", "b")
	y.up(20, "a").up(23, "b").beats(25, 40, "a", "b").at(40, "a", fleet.Threat{What: "exec", Reported: true}).end(40, "settled")
	c := measure.Compute(y.journal).Cells[0]
	expectMetrics(t, c, map[string]float64{
		"blast_radius": 0, "protection_radius": 1, "peak_unavailable": 0, "host_seconds_lost": 0,
		"protection_gap": (17.0 + 20) / 2, "agent_crashes": 2, "crashes": 0, "boots": 0,
		"content_refused": 2, "detection_before": 1,
		"detection_during": 2.0 / 4, // both missed once; the threats at 20 and 23 were stopped while b had not recovered
		"detection_after":  1,
	})
	if m := c.Metrics["time_to_recover_median"]; m.Value != nil || m.Note == "" {
		t.Errorf("time to recover of hosts that were never down: %+v", m)
	}
}

func TestNoAgentHasNoProtectionToLose(t *testing.T) {
	y := newStory("none")
	y.begin("a").at(1, "a", fleet.Threat{What: "exec"}).beats(1, 10, "a").end(10, "settled")
	if m := measure.Compute(y.journal).Cells[0].Metrics["protection_radius"]; m.Value != nil || m.Note == "" {
		t.Errorf("protection radius %+v", m)
	}
}

// TestDegradedAtTheInjection: a host that was slow just then is measured like any other.
func TestDegradedAtTheInjection(t *testing.T) {
	y := newStory("kernel").begin("a")
	y.at(0, "a", fleet.Beat{WorkUnits: 1, WorkFailed: 1}).at(4, "a", panicked()).end(60, "deadline")
	expectMetrics(t, measure.Compute(y.journal).Cells[0], map[string]float64{
		"blast_radius": 1, "host_seconds_lost": 60, "protection_radius": 1, "protection_gap": 60,
	})
}

// TestRelapse is a host that comes back, and is down again when observation ends.
func TestRelapse(t *testing.T) {
	y := newStory("kernel").begin("a", "b")
	y.at(3, "a", panicked()).at(4, "a", fleet.Booting{Mode: fleet.Normal}).up(8, "a").beats(10, 20, "a").at(21, "a", panicked())
	y.beats(5, 60, "b").end(60, "deadline")
	c := measure.Compute(y.journal).Cells[0]
	expectMetrics(t, c, map[string]float64{"censored": 0, "fleet_recovery_100": 8, "relapses": 1, "host_seconds_lost": (5.0 + 39) / 2})
	if c.Metrics["host_seconds_lost"].AtLeast == nil {
		t.Error("the time lost is not said to be a lower bound")
	}
	y = newStory("kernel").begin("a")
	y.at(3, "a", panicked()).at(4, "a", fleet.Booting{Mode: fleet.Normal}).up(8, "a").beats(10, 20, "a").end(20, "settled")
	expectMetrics(t, measure.Compute(y.journal).Cells[0], map[string]float64{"relapses": 0})
}

// TestAtTheInjection: what happens at its very instant did not come of the update, and is counted nowhere.
func TestAtTheInjection(t *testing.T) {
	y := newStory("kernel").begin("a", "b", "c", "d")
	y.trial.Events = slices.DeleteFunc(y.trial.Events, func(e fleet.Event) bool {
		return e.At == injectedAt && (e.Host == "a" || e.Host == "c")
	})
	y.at(-9, "a", panicked()).at(-8, "a", fleet.Booting{Mode: fleet.Normal})
	y.at(0, "a", panicked()).at(0, "a", fleet.Booting{Mode: fleet.Normal}) // the second panic makes a loop
	y.at(0, "b", fleet.ContentRefused{Version: 2}).at(0, "b", fleet.AgentExit{Signal: 11})
	// The next beat of c was due at the injection, and never came; d is up again at it.
	y.up(-5, "c")
	y.at(-5, "d", panicked()).at(-4, "d", fleet.Booting{Mode: fleet.Normal})
	y.beats(5, 20, "b", "d").end(20, "deadline")
	r := measure.Compute(y.journal)
	expectMetrics(t, r.Cells[0], map[string]float64{
		"crashes": 0, "boots": 0, "boot_loops": 0, "content_refused": 0, "agent_crashes": 0, "hangs": 0,
		"blast_radius": 0.5, "protection_radius": 0.5, "peak_unavailable": 0.5,
	})
	if len(r.Causes) > 0 {
		t.Errorf("causes %+v, want none of panics that the update did not cause", r.Causes)
	}
}

// TestSilenceAfterTheFirstBeat: a host that says one thing and no more hangs from there on, and was never up.
func TestSilenceAfterTheFirstBeat(t *testing.T) {
	y := newStory("kernel").begin("a").at(3, "a", panicked()).at(4, "a", fleet.Booting{Mode: fleet.Normal}).up(8, "a")
	c := measure.Compute(y.end(40, "deadline").journal).Cells[0]
	want := []results.Span{
		{State: "off", From: -100, To: -20}, {State: "down", From: -20, To: -10},
		{State: "protected", From: -10, To: 3}, {State: "down", From: 3, To: 8}, {State: "hung", From: 8, To: 40},
	}
	if diff := gocmp.Diff(want, c.HostsDetail[0].Spans); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}

// TestBeatsWithoutWork: they tell nothing of it, but in runs of before, which are measured as they were run.
func TestBeatsWithoutWork(t *testing.T) {
	for way, want := range map[draw.Way]float64{draw.ByName: 2, draw.ByIndex: 6} {
		y := newStory("kernel").begin("a").at(4, "a", fleet.Beat{WorkUnits: 1, WorkFailed: 1}).at(6, "a", fleet.Beat{})
		y.beats(10, 20, "a").end(20, "settled")
		y.journal.Draws = way
		expectMetrics(t, measure.Compute(y.journal).Cells[0], map[string]float64{"host_seconds_lost": want})
	}
}

// TestMoments: a trial's moments count from its injection, and how agents ended is said in words.
func TestMoments(t *testing.T) {
	y := newStory("user").begin("a").at(-3, "a", fleet.AgentExit{Code: 3}).at(2, "a", fleet.AgentExit{Signal: 11})
	y.beats(5, 9, "a").end(9, "settled")
	y.trial.Marks[results.MarkReverted] = injectedAt + 4*s
	c := measure.Compute(y.journal).Cells[0]
	want := []results.Trial{{Status: "settled", Ready: new(90.0), End: new(9.0), Reverted: new(4.0)}}
	if diff := gocmp.Diff(want, c.Trials); diff != "" {
		t.Errorf("trials (-want +got):\n%s", diff)
	}
	exits := []results.Moment{{At: -3, Title: "agent exited with code 3"}, {At: 2, Title: "agent ended by signal 11"}}
	if diff := gocmp.Diff(exits, c.HostsDetail[0].AgentExits); diff != "" {
		t.Errorf("exits (-want +got):\n%s", diff)
	}
	expectMetrics(t, c, map[string]float64{"agent_crashes": 1})

	delete(y.trial.Marks, results.MarkInjected) // then all that was seen came before it
	c = measure.Compute(y.journal).Cells[0]
	want = []results.Trial{{Status: "settled", Ready: new(90.0)}}
	if diff := gocmp.Diff(want, c.Trials); diff != "" {
		t.Errorf("a trial without an injection (-want +got):\n%s", diff)
	}
	expectMetrics(t, c, map[string]float64{"agent_crashes": 0})
}

// TestSilenceIsUnavailable has a host hang, and come back by itself for less than stable_for before it hangs again.
func TestSilenceIsUnavailable(t *testing.T) {
	y := newStory("kernel").begin("a")
	y.at(20, "a", beat()).at(23, "a", panicked()).at(24, "a", fleet.Booting{Mode: fleet.Normal}).up(30, "a").beats(35, 60, "a").end(60, "settled")
	c := measure.Compute(y.journal).Cells[0]
	// Silent from 0 to 20, which is known from 10 on; 3 s of availability are too short; down from 23 to 30.
	expectMetrics(t, c, map[string]float64{"host_seconds_lost": 27, "time_to_recover_median": 30, "blast_radius": 1, "hangs": 1})
	want := []results.Span{
		{State: "off", From: -100, To: -20}, {State: "down", From: -20, To: -10}, {State: "protected", From: -10, To: 0},
		{State: "hung", From: 0, To: 20}, {State: "protected", From: 20, To: 23}, {State: "down", From: 23, To: 30},
		{State: "protected", From: 30, To: 60},
	}
	if diff := gocmp.Diff(want, c.HostsDetail[0].Spans); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}

func TestLostSamplesAreShownAndNotScored(t *testing.T) {
	y := newStory("kernel").begin("a", "b").at(2, "b", panicked())
	y.at(3, "b", fleet.InfraFailed{Op: "create domain", Reason: "no memory"}).beats(5, 20, "a").end(20, "settled")
	c := measure.Compute(y.journal).Cells[0]
	if c.Invalid != 1 || c.HostsDetail[1].Invalid != "create domain: no memory" {
		t.Errorf("invalid %d, host b %+v", c.Invalid, c.HostsDetail[1])
	}
	if m := c.Metrics["blast_radius"]; m.N != 1 || *m.Value != 0 {
		t.Errorf("blast radius %+v, want 0 of the one valid host", m)
	}
	if len(c.Causes) > 0 {
		t.Errorf("causes %+v, want none of a host that is in no figure", c.Causes)
	}
}

// A host that is up again when observation ends, though not for long enough, may have recovered when it came up.
func TestPerhapsBack(t *testing.T) {
	y := newStory("kernel").begin("a", "b").at(1, "a", panicked()).at(1, "b", panicked())
	y.at(2, "a", fleet.Booting{Mode: fleet.Normal}).at(2, "b", fleet.Booting{Mode: fleet.Normal}).up(20, "a").beats(22, 23, "a").end(24, "deadline")
	c := measure.Compute(y.journal).Cells[0]
	expectMetrics(t, c, map[string]float64{"censored": 2})
	for name, want := range map[string]float64{"fleet_recovery_50": 20, "fleet_recovery_100": 24, "time_to_recover_median": 19} {
		if m := c.Metrics[name]; m.Value != nil || m.AtLeast == nil || *m.AtLeast != want {
			t.Errorf("%s: %+v, want at least %v", name, m, want)
		}
	}
}

func TestInvalidAndInterruptedTrialsAreNotScored(t *testing.T) {
	y := newStory("kernel").begin("a").beats(5, 20, "a").end(20, "settled")
	y.begin("a").at(3, "a", panicked()).end(4, "interrupted")
	y.begin("a").at(3, "a", panicked()).end(4, "invalid").trial.Reason = "connect: gone"
	r := measure.Compute(y.journal)
	c := r.Cells[0]
	if m := c.Metrics["blast_radius"]; m.N != 1 || *m.Value != 0 || c.Invalid != 1 || c.Unfinished != 1 || c.Repeats != 3 {
		t.Errorf("blast radius %+v, %d invalid, %d unfinished", m, c.Invalid, c.Unfinished)
	}
	for i, want := range []string{"", "the trial was interrupted", "the trial was invalid: connect: gone"} {
		if h := c.HostsDetail[i]; h.Invalid != want {
			t.Errorf("trial %d: invalid for %q, want %q", i, h.Invalid, want)
		}
	}
	if len(c.Causes) > 0 || len(r.Causes) > 0 {
		t.Errorf("causes %+v, want none of trials that are in no figure", r.Causes)
	}
}

func TestVerdict(t *testing.T) {
	zero, one, long := 0.0, 1.0, 500.0
	never := func() *story { return newStory("kernel").begin("a").at(3, "a", panicked()).end(60, "deadline") }
	crash := func(y *story) *story {
		return y.begin("a").at(3, "a", panicked()).at(4, "a", fleet.Booting{Mode: fleet.Normal}).up(8, "a").beats(10, 20, "a").end(20, "settled")
	}
	for _, c := range []struct {
		name    string
		story   *story
		expect  scenarios.Expect
		want    results.Status
		verdict results.Status
	}{
		{"met", crash(newStory("kernel")), scenarios.Expect{Metric: "blast_radius", Min: &one}, results.Met, results.Met},
		{"missed", crash(newStory("kernel")), scenarios.Expect{Metric: "blast_radius", Max: &zero}, results.Missed, results.Missed},
		{"equal", crash(newStory("kernel")), scenarios.Expect{Metric: "crashes", Min: &one, Max: &one}, results.Met, results.Met},
		{
			"interrupted", newStory("kernel").begin("a").end(4, "interrupted"),
			scenarios.Expect{Metric: "blast_radius", Max: &zero}, results.Inconclusive, results.Inconclusive,
		},
		{
			"lost", newStory("kernel").begin("a", "b").at(1, "a", fleet.InfraFailed{}).beats(5, 9, "b").end(9, "settled"),
			scenarios.Expect{Metric: "blast_radius", Max: &zero}, results.Inconclusive, results.Inconclusive,
		},
		{
			"a quarter lost",
			newStory("kernel").begin("a", "b", "c", "d").at(1, "a", fleet.InfraFailed{}).
				beats(5, 9, "b", "c", "d").end(9, "settled"),
			scenarios.Expect{Metric: "blast_radius", Max: &zero}, results.Met, results.Met,
		},
		{
			"no figure", newStory("none").begin("a").beats(5, 9, "a").end(9, "settled"),
			scenarios.Expect{Metric: "protection_gap", Max: &one}, results.Inconclusive, results.Inconclusive,
		},
		{
			"nobody to recover", newStory("kernel").begin("a").beats(5, 9, "a").end(9, "settled"),
			scenarios.Expect{Metric: "time_to_recover_median", Max: &one}, results.Met, results.Met,
		},
		{
			"nobody to recover slowly", newStory("kernel").begin("a").beats(5, 9, "a").end(9, "settled"),
			scenarios.Expect{Metric: "time_to_recover_median", Min: &one}, results.Inconclusive, results.Inconclusive,
		},
		{
			"never back, and the bound passed", never(), scenarios.Expect{Metric: "fleet_recovery_100", Max: &one}, results.Missed, results.Missed,
		},
		{
			"never back, and the bound not reached", never(), scenarios.Expect{Metric: "fleet_recovery_100", Max: &long},
			results.Inconclusive, results.Inconclusive,
		},
		{"at least so late", never(), scenarios.Expect{Metric: "fleet_recovery_100", Min: &one}, results.Met, results.Met},
		{
			"at least so late, and perhaps later", never(), scenarios.Expect{Metric: "host_seconds_lost", Min: &long},
			results.Inconclusive, results.Inconclusive,
		},
		{
			"so much and perhaps more", never(), scenarios.Expect{Metric: "host_seconds_lost", Max: &long},
			results.Inconclusive, results.Inconclusive,
		},
		{"more already", never(), scenarios.Expect{Metric: "host_seconds_lost", Max: &one}, results.Missed, results.Missed},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.expect.Where = map[string]string{"fleet": "f"}
			c.story.journal.Plan.Expect = []scenarios.Expect{c.expect, {Metric: "crashes", Max: &zero, Where: map[string]string{"fleet": "other"}}}
			r := measure.Compute(c.story.journal)
			if len(r.Expectations) != 1 {
				t.Fatalf("expectations %+v, want the one that matches the cell", r.Expectations)
			}
			if x := r.Expectations[0]; x.Status != c.want || r.Verdict != c.verdict || x.Min != c.expect.Min || x.Max != c.expect.Max {
				t.Errorf("%+v, verdict %s; want %s, %s", x, r.Verdict, c.want, c.verdict)
			}
		})
	}
	y := newStory("kernel")
	y.journal.Status = "interrupted"
	if r := measure.Compute(y.journal); r.Verdict != results.Inconclusive {
		t.Errorf("the verdict of an interrupted run is %s", r.Verdict)
	}
}

// TestOverTrials: a figure is one of trials, whose hosts tell of one another. Counts are the mean over trials, and not
// their sum; a quantile is the median of the trials' own; a repeat in which no host was hit has none.
func TestOverTrials(t *testing.T) {
	y := newStory("kernel")
	y.journal.Plan.Repeat = 6
	for i := range 6 {
		y.begin("a", "b")
		if i < 5 { // a is down for 5, 6 … 9 s
			y.at(3, "a", panicked()).at(4, "a", fleet.Booting{Mode: fleet.Normal}).up(8+float64(i), "a")
		}
		if i == 4 {
			y.at(3, "b", panicked()).at(4, "b", fleet.Booting{Mode: fleet.Normal}).up(20, "b")
		} else {
			y.beats(5, 20, "b")
		}
		if i == 5 {
			y.beats(5, 10, "a")
		}
		y.beats(25, 35, "b").beats(15, 35, "a").end(35, "settled")
	}
	c := measure.Compute(y.journal).Cells[0]
	expectMetrics(t, c, map[string]float64{
		"crashes": 1, "blast_radius": (0.5*4 + 1 + 0) / 6, "host_seconds_lost": (2.5 + 3 + 3.5 + 4 + (9.0+17)/2 + 0) / 6,
		"time_to_recover_median": 7, "fleet_recovery_100": 10, "time_to_recover_mean": (5 + 6 + 7 + 8 + 13) / 5.0,
	})
	if m := c.Metrics["host_seconds_lost"]; m.AtLeast != nil || m.N != 6 || m.Level != 0.96 || m.Lo == nil || m.Hi == nil || m.Note != "" {
		t.Errorf("time lost %+v, want a mean of six with an interval, which is no lower bound", m)
	}
	m := c.Metrics["time_to_recover_median"]
	if m.N != 5 || m.Undefined != 1 || *m.Lo != 5 || *m.Hi != 9 || math.Abs(m.Level-0.9375) > 1e-12 {
		t.Errorf("median %+v, want that of five, one left out, between the least and the largest", m)
	}
	if m := c.Metrics["blast_radius"]; m.N != 6 || m.Level != 0.95 || m.OneSided || !(*m.Lo < 0.5 && 0.5 < *m.Hi) {
		t.Errorf("blast radius %+v", m)
	}
	if m := c.Metrics["protection_radius"]; m.Wants != "" {
		t.Errorf("%+v has an interval and wants more", m)
	}
}

// compared is a story of two fleets, of which the one crashes in each repeat for as many seconds as it has and the other
// does not.
func compared(repeats int) *results.Results {
	y := newStory("kernel")
	y.journal.Plan.Repeat = repeats
	other := y.journal.Plan.Cells[0]
	other.ID, other.Fleet.Name, other.Fleet.Architecture = "g/u/everyone/r", "g", "user"
	for i := range repeats {
		y.begin("a").at(3, "a", panicked()).at(4, "a", fleet.Booting{Mode: fleet.Normal}).up(8+float64(i), "a")
		y.beats(15, 40, "a").end(40, "settled")
		y.trial.Repeat = i
		y.begin("a").beats(5, 40, "a").end(40, "settled")
		y.trial.Cell, y.trial.Repeat = other.ID, i
	}
	other.Fleet.Hosts = 1
	y.journal.Plan.Cells = append(y.journal.Plan.Cells, other)
	return measure.Compute(y.journal)
}

// TestComparison: fleets are told apart over repeats, of which five decide nothing.
func TestComparison(t *testing.T) {
	r := compared(6)
	if len(r.Comparisons) != 3 {
		t.Fatalf("comparisons %+v", r.Comparisons)
	}
	x := r.Comparisons[0]
	if x.Metric != "host_seconds_lost" || x.Test != "sign-flip" || x.Pairs != 6 || x.Family != 1 || x.Wants != "" ||
		x.PValue == nil || *x.PValue != 2.0/64 || x.Adjusted == nil || *x.Adjusted != 2.0/64 {
		t.Errorf("%+v, want a P of 1/32: all six differ the same way", x)
	}
	if d := x.Difference; d.Value == nil || math.Abs(*d.Value-7.5) > 1e-9 || d.Lo == nil || *d.Lo <= 0 || d.Unit != "s" {
		t.Errorf("difference %+v, want 7.5 s with an interval above 0", d)
	}
	if x := r.Comparisons[2]; x.Metric != "time_to_recover_median" || x.PValue != nil || x.Note != "g: no host was hit" || x.Wants != "" {
		t.Errorf("%+v, want no test with a fleet of which no host was hit", x)
	}
	if x := compared(5).Comparisons[0]; x.PValue != nil || x.Adjusted != nil || x.Wants != "5 pairs decide nothing; 6 repeats would" {
		t.Errorf("%+v, want no test, and how many repeats would decide", x)
	}
}

// TestPairsAreOfOneRepeat: the second fleet is down for two seconds longer than the first was in the same repeat. The
// first lacks a repeat, which makes no pair.
func TestPairsAreOfOneRepeat(t *testing.T) {
	y := newStory("kernel")
	y.journal.Plan.Repeat = 7
	other := y.journal.Plan.Cells[0]
	other.ID, other.Fleet.Name, other.Fleet.Hosts = "g/u/everyone/r", "g", 1
	for i := range 7 {
		for _, cell := range []string{"f/u/everyone/r", other.ID} {
			back, status := 8+float64(i*i), "settled"
			if cell == other.ID {
				back += 2
			} else if i == 2 {
				status = "interrupted"
			}
			y.begin("a").at(3, "a", panicked()).at(4, "a", fleet.Booting{Mode: fleet.Normal}).up(back, "a")
			y.beats(back+5, 70, "a").end(70, status)
			y.trial.Cell, y.trial.Repeat = cell, i
		}
	}
	y.journal.Plan.Cells = append(y.journal.Plan.Cells, other)
	x := measure.Compute(y.journal).Comparisons[0]
	if d := x.Difference; x.Pairs != 6 || d.Value == nil || math.Abs(*d.Value+2) > 1e-9 {
		t.Errorf("%d pairs, of which the difference is %+v, want 6 and -2 s", x.Pairs, d)
	}
}

// TestComparedCells: only those are compared that differ in their fleet alone, and no control.
func TestComparedCells(t *testing.T) {
	y := newStory("kernel")
	add := func(id string, edit func(*scenarios.Cell)) {
		c := y.journal.Plan.Cells[0]
		c.ID, c.Fleet.Name = id, id
		edit(&c)
		y.journal.Plan.Cells = append(y.journal.Plan.Cells, c)
	}
	add("control", func(c *scenarios.Cell) { c.Fleet.Control = true })
	add("update", func(c *scenarios.Cell) { c.Update.Name = "other" })
	add("rollout", func(c *scenarios.Cell) { c.Rollout = "canary" })
	add("recovery", func(c *scenarios.Cell) { c.Recovery.Name = "other" })
	add("fleet", func(*scenarios.Cell) {})
	add("same fleet", func(c *scenarios.Cell) { c.Fleet.Name = "fleet" })
	var got []string
	for _, x := range measure.Compute(y.journal).Comparisons {
		got = append(got, x.A+" and "+x.B+" in "+x.Metric+": "+x.Note)
	}
	var want []string
	for _, b := range []string{"fleet", "same fleet"} {
		for _, metric := range []string{"host_seconds_lost", "protection_gap", "time_to_recover_median"} {
			want = append(want, "f/u/everyone/r and "+b+" in "+metric+": f: no valid sample")
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("comparisons (-want +got):\n%s", diff)
	}
}

func TestSameJournalSameBytes(t *testing.T) {
	encode := func() string {
		y := newStory("kernel").begin("b", "a", "c")
		y.at(3, "a", panicked()).at(3, "c", fleet.Panic{Title: "x"}).at(3, "b", fleet.Panic{Title: "y"}).end(20, "deadline")
		var b bytes.Buffer
		if err := results.Encode(&b, measure.Compute(y.journal)); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	first := encode()
	for range 20 {
		if encode() != first {
			t.Fatal("the same journal gave other bytes")
		}
	}
	r, err := results.Decode(bytes.NewReader([]byte(first)))
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := results.Encode(&again, r); err != nil || again.String() != first {
		t.Errorf("results do not survive being read back: %v", err)
	}
}
