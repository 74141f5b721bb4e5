package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/scenarios"
)

// smokeTrials are those of the smoke scenario.
func smokeTrials(t *testing.T) []orchestrator.Trial {
	t.Helper()
	plan, diags := scenarios.LoadFile(t.Context(), smoke, scenarios.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	trials := orchestrator.Trials(plan, nil)
	for i := range trials {
		trials[i].Number = i + 1
	}
	return trials
}

// TestCrawl: a trial in which nothing changes for minutes of the wall clock is heard of twice a minute, and of none
// that has ended.
func TestCrawl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out output
		d, err := newDisplay(&out, &options{logLevel: "warn"})
		if err != nil {
			t.Fatal(err)
		}
		trials := smokeTrials(t)
		d.begin(trials)
		time.Sleep(time.Minute) // until the fleet is made
		d.watch(orchestrator.Progress{Trial: trials[0], Phase: "booting"})
		time.Sleep(20 * time.Second)
		d.watch(orchestrator.Progress{Trial: trials[0], Phase: "booting", At: 2 * time.Second}) // a second of its clock, no line
		time.Sleep(75 * time.Second)
		d.watch(orchestrator.Progress{Trial: trials[0], Phase: "ended", At: 3 * time.Second, Outcome: &orchestrator.Outcome{Status: orchestrator.Settled}})
		time.Sleep(5 * time.Minute)
		d.close()
		want := `[1/3] control/bad/everyone/technician     0.0s  booting; 0 of 1 hosts have booted (1m0s so far, time left unknown yet; in all 1m0s, time left unknown yet)
[1/3] control/bad/everyone/technician     2.0s  booting; 0 of 1 hosts have booted (1m30s so far, about 8m29s left; in all 1m30s, about 34m26s left)
[1/3] control/bad/everyone/technician     2.0s  booting; 0 of 1 hosts have booted (2m0s so far, about 11m18s left; in all 2m0s, about 45m54s left)
[1/3] control/bad/everyone/technician     2.0s  booting; 0 of 1 hosts have booted (2m30s so far, about 14m8s left; in all 2m30s, about 57m23s left)
[1/3] control/bad/everyone/technician     3.0s  settled;  (took 2m35s)
`
		if got := out.String(); got != want {
			t.Errorf("it said\n%s\nwant\n%s", got, want)
		}
	})
}

// TestAttempts: a trial that the testbed failed is run again as the same trial, and one that was interrupted is not
// over.
func TestAttempts(t *testing.T) {
	trials := smokeTrials(t)
	now := time.Now()
	s := standing{trials: trials, began: now}
	again := trials[0]
	again.Number, again.Attempt = 2, 2
	for _, told := range []struct {
		trial  orchestrator.Trial
		status string
		over   bool
		says   string
	}{
		{trials[0], orchestrator.Invalid, false, "[1/3] control/bad/everyone/technician     0.0s  invalid;  (10s so far)"},
		{again, orchestrator.Settled, true, "[1/3] control/bad/everyone/technician attempt 2     0.0s  settled;  (took 20s)"},
		{trials[1], orchestrator.Interrupted, false, "[2/3] kernel/bad/everyone/technician     0.0s  interrupted;  (10s so far)"},
	} {
		now = now.Add(10 * time.Second)
		p := orchestrator.Progress{Trial: told.trial, Outcome: &orchestrator.Outcome{Status: told.status}}
		if got := strings.Join(s.take(p, true, now), "\n"); got != told.says || over(p) != told.over {
			t.Errorf("%q, over %v; want %q, %v", got, over(p), told.says, told.over)
		}
	}
}

// TestTimes stand below the bar while a trial runs; after the last one nothing is left to be estimated.
func TestTimes(t *testing.T) {
	trials := smokeTrials(t)[:1]
	now := time.Now()
	s := standing{trials: trials, began: now}
	s.take(orchestrator.Progress{Trial: trials[0], At: time.Second}, false, now)
	now = now.Add(10 * time.Second)
	if got, want := s.times(now), "at 1.0s of the fleet's clock, 10s so far, time left unknown yet; in all 10s, time left unknown yet"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s.take(orchestrator.Progress{Trial: trials[0], At: time.Second, Outcome: &orchestrator.Outcome{Status: orchestrator.Settled}}, false, now)
	if got, want := s.times(now), "in all 10s"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
