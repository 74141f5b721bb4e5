package main

import (
	"regexp"
	"slices"
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

// TestAttempts: a trial that the testbed failed is run again, behind others, as the same trial, and one that was
// interrupted is not over.
func TestAttempts(t *testing.T) {
	trials := smokeTrials(t)
	now := time.Now()
	s := newStanding(trials, now)
	again := trials[0]
	again.Number, again.Attempt = 4, 2
	for _, told := range []struct {
		trial  orchestrator.Trial
		status string
		over   bool
		says   string
	}{
		{trials[0], orchestrator.Invalid, false, "[1/3] control/bad/everyone/technician     0.0s  invalid;  (10s so far)"},
		{trials[1], orchestrator.Settled, true, "[2/3] kernel/bad/everyone/technician     0.0s  settled;  (took 10s)"},
		{again, orchestrator.Settled, true, "[1/3] control/bad/everyone/technician attempt 2     0.0s  settled;  (took 10s)"},
		{trials[2], orchestrator.Interrupted, false, "[3/3] user/bad/everyone/technician     0.0s  interrupted;  (10s so far)"},
	} {
		now = now.Add(10 * time.Second)
		p := orchestrator.Progress{Trial: told.trial, Outcome: &orchestrator.Outcome{Status: told.status}}
		if got := strings.Join(s.take(p, true, now), "\n"); got != told.says || over(p) != told.over {
			t.Errorf("%q, over %v; want %q, %v", got, over(p), told.says, told.over)
		}
	}
	if left := s.expected[trials[2].Cell.ID]; s.over != 2 || s.toCome != left {
		t.Errorf("%d trials are over, and %v are to come; want 2, and the %v of the one that was interrupted", s.over, s.toCome, left)
	}
}

// TestSideBySide: each line is of its trial, whichever was heard of before, and a trial that begins in the place of
// another took its time from when that had ended.
func TestSideBySide(t *testing.T) {
	trials := smokeTrials(t)
	now := time.Now()
	s := newStanding(trials, now)
	booting := func(i int) orchestrator.Progress {
		return orchestrator.Progress{Trial: trials[i], Phase: "booting", At: s.expected[trials[i].Cell.ID] / 2}
	}
	ended := func(i int) orchestrator.Progress {
		p := booting(i)
		p.Phase, p.Outcome = "ended", &orchestrator.Outcome{Status: orchestrator.Settled}
		return p
	}
	for _, told := range []struct {
		p     orchestrator.Progress
		after time.Duration
		says  string
	}{
		{booting(0), 0, `\[1/3\] control/.* booting; .* \(0s so far, .*; in all 0s, .*\)`},
		{booting(1), 10 * time.Second, `\[2/3\] kernel/.* booting; .* \(10s so far, about 10s left; in all 10s, about [0-9a-z]* left\)`},
		{ended(1), 4 * time.Second, `\[2/3\] kernel/.* settled; .* \(took 14s\)`},
		{booting(2), 2 * time.Second, `\[3/3\] user/.* booting; .* \(2s so far, about 2s left; in all 16s, about 16s left\)`},
		{ended(0), 0, `\[1/3\] control/.* settled; .* \(took 16s\)`},
		{ended(2), time.Second, `\[3/3\] user/.* settled; .* \(took 3s\)`},
	} {
		now = now.Add(told.after)
		lines := s.take(told.p, true, now)
		if len(lines) != 1 || !regexp.MustCompile("^"+told.says+"$").MatchString(lines[0]) {
			t.Errorf("%q, want %s", lines, told.says)
		}
	}
	if got := s.times(now.Add(time.Hour)); got != "in all 17s" || s.most != 2 || s.toCome != 0 {
		t.Errorf("%q, %d at a time, %v to come", got, s.most, s.toCome)
	}
}

// TestPlaces: the second run of a verification has a place of its own, also where the first one was run before.
func TestPlaces(t *testing.T) {
	trials := smokeTrials(t)
	second := trials[0]
	second.Verifies = 7
	s := newStanding([]orchestrator.Trial{second, trials[1], trials[1], trials[2], trials[2]}, time.Now())
	of := func(t orchestrator.Trial, verifies int) int {
		t.Verifies = verifies
		return s.nth[placeOf(t)]
	}
	if got := []int{of(trials[0], 7), of(trials[1], 0), of(trials[1], 3), of(trials[2], 0), of(trials[2], 5)}; !slices.Equal(got, []int{1, 2, 3, 4, 5}) {
		t.Errorf("places %v", got)
	}
}

// TestTimes stand behind a trial's bar while it runs, and behind that of all; after the last one nothing is left to be
// estimated.
func TestTimes(t *testing.T) {
	trials := smokeTrials(t)[:1]
	now := time.Now()
	s := newStanding(trials, now)
	s.take(orchestrator.Progress{Trial: trials[0], Phase: "booting", At: time.Second}, false, now)
	now = now.Add(10 * time.Second)
	want := "1.0s of the fleet's clock, 10s so far, time left unknown yet; booting 0 of 1 hosts have booted"
	if got := s.status(s.underWay[0], now); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := s.times(now), "in all 10s, time left unknown yet"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s.take(orchestrator.Progress{Trial: trials[0], At: time.Second, Outcome: &orchestrator.Outcome{Status: orchestrator.Settled}}, false, now)
	if got, want := s.times(now.Add(time.Hour)), "in all 10s"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
