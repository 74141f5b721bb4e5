package measure_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/measure"
	"github.com/fleetfall/fleetfall/scenarios"
)

// wave makes the story's latest trial part n of waves of a repeat, of a fleet of so many hosts.
func (y *story) wave(repeat, n, waves, hosts int) *story {
	y.trial.Repeat, y.trial.Wave, y.trial.Waves = repeat, n, waves
	y.journal.Plan.Cells[0].Fleet.Hosts = hosts
	return y
}

// crashed is a trial of two hosts of which the first crashes and comes back.
func (y *story) crashed(a, b string) *story {
	return y.begin(a, b).at(3, a, panicked()).at(4, a, fleet.Booting{Mode: fleet.Normal}).up(8, a).beats(5, 20, b).beats(10, 20, a).end(20, "settled")
}

// TestWavesAreOneRepeat has the second wave hit as the first was: the figures are those of one fleet of four.
func TestWavesAreOneRepeat(t *testing.T) {
	y := newStory("kernel").crashed("a", "b").wave(0, 1, 2, 4).crashed("c", "d").wave(0, 2, 2, 4)
	one := 1.0
	y.journal.Plan.Expect = []scenarios.Expect{{Metric: "blast_radius", Max: &one, Where: map[string]string{"fleet": "f"}}}
	r := measure.Compute(y.journal)
	c := r.Cells[0]
	expectMetrics(t, c, map[string]float64{"blast_radius": 0.5, "peak_unavailable": 0.5, "crashes": 2, "boots": 2, "time_to_recover_median": 5})
	if m := c.Metrics["blast_radius"]; m.N != 1 {
		t.Errorf("blast radius %+v, want that of one repeat", m)
	}
	if c.Repeats != 1 || c.Waves != 2 || c.Hosts != 4 || len(c.Trials) != 2 || c.Trials[1].Wave != 2 || c.Trials[1].Waves != 2 {
		t.Errorf("%d repeats, %d waves, %d hosts, trials %+v", c.Repeats, c.Waves, c.Hosts, c.Trials)
	}
	if h := c.HostsDetail[2]; h.Host != "c" || h.Wave != 2 || h.Repeat != 0 {
		t.Errorf("third host %+v", h)
	}
	if x := r.Expectations[0]; x.Status != results.Met {
		t.Errorf("%+v, want met: both waves came to an end", x)
	}

	y.end(20, "interrupted")
	if x := measure.Compute(y.journal).Expectations[0]; x.Status != results.Inconclusive || x.Note != "0 of 1 repeats came to an end" {
		t.Errorf("%+v, want inconclusive: the second wave did not come to an end", x)
	}
	y.journal.Trials = y.journal.Trials[:1]
	if x := measure.Compute(y.journal).Expectations[0]; x.Status != results.Inconclusive {
		t.Errorf("%+v, want inconclusive: the second wave was never run", x)
	}
}

func TestWavesAreNoRepeats(t *testing.T) {
	y := newStory("kernel").crashed("a", "b").wave(0, 1, 2, 4).crashed("c", "d").wave(0, 2, 2, 4)
	y.journal.Plan.Repeat = 2
	one := 1.0
	y.journal.Plan.Expect = []scenarios.Expect{{Metric: "blast_radius", Max: &one, Where: map[string]string{"fleet": "f"}}}
	if x := measure.Compute(y.journal).Expectations[0]; x.Status != results.Inconclusive || x.Note != "1 of 2 repeats came to an end" {
		t.Errorf("%+v, want two waves to be one repeat", x)
	}
}

// TestSupersededTrialIsShownAndCountsNowhere: one was invalid and was run again, one was under way when the run was killed.
func TestSupersededTrialIsShownAndCountsNowhere(t *testing.T) {
	y := newStory("kernel").begin("a", "b").at(3, "b", panicked()).end(4, "invalid").wave(0, 0, 0, 2)
	y.trial.Superseded, y.trial.Reason = true, "connect: gone"
	y.begin("a", "b").end(4, "interrupted").wave(0, 0, 0, 2)
	y.trial.Superseded, y.trial.Attempt = true, 2
	y.crashed("a", "b").wave(0, 0, 0, 2)
	y.trial.Attempt = 2
	r := measure.Compute(y.journal)
	c := r.Cells[0]
	if c.Retried != 1 || c.Invalid != 0 || c.Repeats != 1 || len(c.HostsDetail) != 2 {
		t.Errorf("%d retried, %d invalid, %d repeats, %d hosts", c.Retried, c.Invalid, c.Repeats, len(c.HostsDetail))
	}
	expectMetrics(t, c, map[string]float64{"blast_radius": 0.5, "crashes": 1})
	if len(c.Causes) != 1 || c.Causes[0].Count != 1 {
		t.Errorf("causes %+v, want none of a trial that counts nowhere", c.Causes)
	}
	want := []results.Trial{
		{Status: "invalid", Reason: "connect: gone", Superseded: true}, {Status: "interrupted", Superseded: true, Attempt: 2},
		{Status: "settled", Attempt: 2, Ready: new(90.0), End: new(20.0)},
	}
	if diff := cmp.Diff(want, c.Trials); diff != "" {
		t.Errorf("trials (-want +got):\n%s", diff)
	}
}

func TestHostThatWasTriedAgainCountsAndIsTold(t *testing.T) {
	y := newStory("kernel").begin("a", "b")
	y.trial.Hosts[0].Node = "big"
	booted := y.trial.Events
	y.trial.Events = nil
	y.at(-60, "b", fleet.Booting{Mode: fleet.Normal}).at(-55, "b", fleet.Threat{What: "exec"}).at(-50, "b", panicked())
	y.at(-40, "b", fleet.InfraFailed{Op: "create domain", Reason: "no memory"})
	y.trial.Events = append(y.trial.Events, booted...)
	y.beats(5, 20, "a", "b").end(20, "settled")
	c := measure.Compute(y.journal).Cells[0]
	if c.Invalid != 0 || c.Retried != 1 || c.HostsDetail[1].Retried != 1 || c.HostsDetail[0].Retried != 0 {
		t.Errorf("%d invalid, %d retried, hosts %+v", c.Invalid, c.Retried, c.HostsDetail)
	}
	if c.HostsDetail[0].Node != "big" || c.HostsDetail[1].Node != "" {
		t.Errorf("nodes %q and %q", c.HostsDetail[0].Node, c.HostsDetail[1].Node)
	}
	expectMetrics(t, c, map[string]float64{"detection_before": 1, "visibility": 1}) // the first attempt's threat is in no figure
	if n := len(c.HostsDetail[1].Panics); n > 0 {
		t.Errorf("%d panics of the first attempt", n)
	}
}

func TestResumedRunSaysWhatChanged(t *testing.T) {
	y := newStory("kernel").begin("a").beats(5, 20, "a").end(20, "settled")
	y.journal.Took = 90 * time.Second
	y.journal.Provenance.Facts = []results.Fact{{Name: "QEMU", Value: "7.2"}, {Name: "go", Value: "1.26"}, {Name: "memory", Value: "24 GiB"}}
	y.journal.Resumed = []results.Resumption{{Started: time.Unix(1721365740, 0), Provenance: results.Provenance{
		Facts: []results.Fact{{Name: "QEMU", Value: "8.0"}, {Name: "go", Value: "1.26"}, {Name: "node", Value: "big"}},
	}}}
	r := measure.Compute(y.journal)
	want := []results.Part{{Started: "2024-07-19T05:09:00Z", Changed: []results.Fact{{Name: "QEMU", Value: "8.0"}, {Name: "node", Value: "big"}, {Name: "memory"}}}}
	if diff := cmp.Diff(want, r.Run.Resumed); diff != "" {
		t.Errorf("resumed (-want +got):\n%s", diff)
	}
	if r.Run.Duration != 90 {
		t.Errorf("duration %v, want that of all parts", r.Run.Duration)
	}
}

// TestNothingIsSaidOfWhatWasInterrupted: its hosts crashed, and no note may say that none was hit, or that nothing
// was tried.
func TestNothingIsSaidOfWhatWasInterrupted(t *testing.T) {
	y := newStory("kernel").crashed("a", "b").end(20, "interrupted")
	for name, m := range measure.Compute(y.journal).Cells[0].Metrics {
		if m.Value != nil || m.Note != "no valid sample" {
			t.Errorf("%s: %+v, want no value, since there is no valid sample", name, m)
		}
	}
}
