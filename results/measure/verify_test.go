package measure_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/measure"
)

// tolerated is the tolerance of the journals of these tests.
const tolerated = 2 * time.Millisecond

// twice is a journal of one trial and its second run, which edit has changed.
func twice(edit func(second *results.TrialRecord)) *results.Journal {
	y := newStory("kernel")
	for range 2 {
		y.begin("a", "b")
		y.at(1, "a", fleet.Hello{BootID: "1234", Uptime: 3 * s, Kernel: "6.1"}).at(1, "b", fleet.Fetched{Version: 2})
		y.at(2, "", fleet.TimerFired{Tag: "tick"}).at(2, "", fleet.TimerFired{Tag: "restart/a"})
		y.at(4, "a", fleet.Panic{Title: "page fault", Excerpt: "[   12.345678] BUG: page fault\n[   12.345700] RIP: 0010:ff_evaluate"})
		y.beats(5, 20, "a", "b").end(20, "settled")
		change(2, func(b *fleet.Beat) { b.Loads, b.Available = loads(0), 1<<20 })(y.trial)
		n := len(y.trial.Events)
		y.trial.Decisions = []results.Decision{
			{Action: fleet.Boot{Host: "a", Mode: fleet.Normal}}, {Action: fleet.Boot{Host: "b", Mode: fleet.Normal}},
			{At: 90 * s, Events: n - 16, Mark: results.MarkReady}, {At: 120 * s, Events: n, Action: fleet.Reset{Host: "a"}},
		}
	}
	y.journal.Verify = &results.Verify{Tolerance: tolerated}
	y.trial.Repeat, y.trial.Verifies = 0, 1
	if edit != nil {
		edit(y.trial)
	}
	return y.journal
}

// loads are two kinds of work, of which the second took so much longer.
func loads(longer time.Duration) []fleet.Load {
	return []fleet.Load{{What: "fork", Units: 1, Total: 10 * time.Millisecond}, {What: "open", Units: 2, Total: 20*time.Millisecond + longer}}
}

func verified(t *testing.T, j *results.Journal) results.Verification {
	t.Helper()
	v := measure.Compute(j).Verification
	if len(v) != 1 {
		t.Fatalf("verifications %+v, want that of the one trial", v)
	}
	return v[0]
}

// nth is the place of a trial's nth event of a kind.
func nth[H fleet.Happening](t *results.TrialRecord, n int) int {
	for i, e := range t.Events {
		if _, ok := e.What.(H); ok {
			if n == 0 {
				return i
			}
			n--
		}
	}
	return -1
}

// change edits the second run's nth event of a kind.
func change[H fleet.Happening](n int, edit func(*H)) func(*results.TrialRecord) {
	return func(t *results.TrialRecord) {
		e := &t.Events[nth[H](t, n)]
		what := e.What.(H)
		edit(&what)
		e.What = what
	}
}

// later moves the second run's nth event of a kind.
func later[H fleet.Happening](n int, by time.Duration) func(*results.TrialRecord) {
	return func(t *results.TrialRecord) { t.Events[nth[H](t, n)].At += by }
}

func TestVerification(t *testing.T) {
	const micro = time.Microsecond
	for name, c := range map[string]struct {
		edit           func(*results.TrialRecord)
		status         string
		timed, changed int
		largest        time.Duration
		difference     string
	}{
		"nothing":                      {nil, results.Identical, 0, 0, 0, ""},
		"a time":                       {later[fleet.Beat](3, 700*micro), results.Within, 1, 0, 700 * micro, ""},
		"a time, as much as it may":    {later[fleet.Beat](3, tolerated), results.Within, 1, 0, tolerated, ""},
		"a time, by more than allowed": {later[fleet.Hello](0, tolerated+micro), results.Differs, 1, 0, tolerated + micro, "hello of a at 1m41s, in the second run at 1m41.002001s"},
		"a duration":                   {change(0, func(h *fleet.Hello) { h.Uptime += 90 * micro }), results.Within, 1, 0, 90 * micro, ""},
		"a duration, by more than allowed": {change(0, func(h *fleet.Hello) { h.Uptime += 10 * tolerated }), results.Differs, 1, 0, 10 * tolerated,
			"hello of a at 1m41s, in the second run at 1m41s; uptime_ns is 3s, in the second run 3.02s"},
		"the time of a kind of work": {change(2, func(b *fleet.Beat) { b.Loads = loads(micro) }), results.Within, 1, 0, micro, ""},
		"the time of a kind of work, by more than allowed": {change(2, func(b *fleet.Beat) { b.Loads = loads(3 * tolerated) }), results.Differs, 1, 0, 3 * tolerated,
			"beat of a at 1m40s, in the second run at 1m40s; loads[1].total_ns is 20ms, in the second run 26ms"},
		"units of a kind of work": {change(2, func(b *fleet.Beat) { b.Loads = loads(0)[:1] }), results.Differs, 0, 1, 0,
			"beat of a at 1m40s, in the second run at 1m40s; loads is [map[units:1 what:fork] map[units:2 what:open]], in the second run [map[units:1 what:fork]]"},
		"the kernel's words": {change(0, func(p *fleet.Panic) { p.Excerpt = strings.ReplaceAll(p.Excerpt, "BUG", "OOPS") }), results.Differs, 0, 1, 0,
			`panic of a at 1m44s, in the second run at 1m44s; excerpt is "[   12.345678] BUG: page fault\n[   12.345700] RIP: 0010:ff_evaluate", in the second run "[   12.345678] OOPS: page fault\n[   12.345700] RIP: 0010:ff_evaluate"`},
		"the memory that is left, by little": {change(2, func(b *fleet.Beat) { b.Available += 4096 }), results.Within, 1, 0, 0, ""},
		"the memory that is left, by as much as it may": {
			change(2, func(b *fleet.Beat) { b.Available += 64 << 10 }), results.Within, 1, 0, 0, "",
		},
		"the first in order of two at a time": {func(t *results.TrialRecord) {
			change(2, func(b *fleet.Beat) { b.WorkFailed = 1 })(t)
			change(3, func(b *fleet.Beat) { b.WorkFailed = 2 })(t)
		}, results.Differs, 0, 2, 0,
			"beat of a at 1m40s, in the second run at 1m40s; work_failed is 0, in the second run 1"},
		"the memory that is left, by more": {change(2, func(b *fleet.Beat) { b.Available += 64<<10 + 1 }), results.Differs, 0, 1, 0,
			"beat of a at 1m40s, in the second run at 1m40s; available_bytes is 1048576, in the second run 1114113"},
		"a count": {change(2, func(b *fleet.Beat) { b.WorkUnits = 7 }), results.Differs, 0, 1, 0,
			"beat of a at 1m40s, in the second run at 1m40s; work_units is 1, in the second run 7"},
		"a boot ID": {change(0, func(h *fleet.Hello) { h.BootID = "4321" }), results.Differs, 0, 1, 0,
			`hello of a at 1m41s, in the second run at 1m41s; boot_id is "1234", in the second run "4321"`},
		"a large version": {change(0, func(f *fleet.Fetched) { f.Version = 1<<63 + 1 }), results.Differs, 0, 1, 0,
			"fetched of b at 1m41s, in the second run at 1m41s; version is 2, in the second run 9223372036854775809"},
		"an event less": {func(t *results.TrialRecord) {
			i := nth[fleet.Panic](t, 0)
			t.Events = append(t.Events[:i:i], t.Events[i+1:]...)
		}, results.Differs, 0, 1, 0, "panic of a at 1m44s: there is none in the second run"},
		"an event more": {func(t *results.TrialRecord) {
			i := nth[fleet.Panic](t, 0)
			t.Events = append(t.Events[:i:i], append([]fleet.Event{{At: 103 * s, Host: "a", What: fleet.PoweredOff{}}}, t.Events[i:]...)...)
		}, results.Differs, 0, 1, 0, "powered_off of a at 1m43s of the second run: there is none in the first"},
		"an action": {func(t *results.TrialRecord) { t.Decisions[3].Action = fleet.Reset{Host: "b"} }, results.Differs, 0, 2, 0,
			"action reset of a at 2m0s: there is none in the second run"},
		"an action's field": {func(t *results.TrialRecord) { t.Decisions[0].Action = fleet.Boot{Host: "a", Mode: fleet.Safe} }, results.Differs, 0, 1, 0,
			`action boot of a at 0s, in the second run at 0s; mode is "normal", in the second run "safe"`},
		"a mark's time":   {func(t *results.TrialRecord) { t.Decisions[2].At += micro }, results.Within, 1, 0, micro, ""},
		"the end":         {func(t *results.TrialRecord) { t.Status = "deadline" }, results.Differs, 0, 1, 0, `end at 2m0s, in the second run at 2m0s; status is "settled", in the second run "deadline"`},
		"the end's time":  {func(t *results.TrialRecord) { t.End += micro }, results.Within, 1, 0, micro, ""},
		"a timer's time":  {later[fleet.TimerFired](1, micro), results.Within, 1, 0, micro, ""},
		"a timer's order": {swapped[fleet.TimerFired], results.Within, 0, 0, 0, ""},
		"the order of hosts, as their times allow": {func(t *results.TrialRecord) {
			later[fleet.Fetched](0, -micro)(t)
			i, j := nth[fleet.Hello](t, 0), nth[fleet.Fetched](t, 0)
			t.Events[i], t.Events[j] = t.Events[j], t.Events[i]
		}, results.Within, 1, 0, micro, ""},
		"the first of two": {func(t *results.TrialRecord) {
			later[fleet.Panic](0, s)(t)
			change(2, func(b *fleet.Beat) { b.WorkFailed = 1 })(t)
		}, results.Differs, 1, 1, s, "beat of a at 1m40s, in the second run at 1m40s; work_failed is 0, in the second run 1"},
	} {
		t.Run(name, func(t *testing.T) {
			v := verified(t, twice(c.edit))
			if v.Status != c.status || v.Timed != c.timed || v.Changed != c.changed || v.Largest != c.largest.Seconds() {
				t.Errorf("%+v", v)
			}
			if v.Difference != c.difference {
				t.Errorf("the difference is\n%s\nwant\n%s", v.Difference, c.difference)
			}
			if v.Entries < 20 || v.Tolerance != 0.002 {
				t.Errorf("%d entries, tolerance %v", v.Entries, v.Tolerance)
			}
		})
	}
}

// TestWithoutTolerance: where none is allowed, the memory that is left may not differ either.
func TestWithoutTolerance(t *testing.T) {
	for _, tt := range []struct {
		edit   func(*results.TrialRecord)
		status string
	}{
		{nil, results.Identical},
		{later[fleet.Beat](3, 1), results.Differs},
		{change(2, func(b *fleet.Beat) { b.Available += 4096 }), results.Differs},
	} {
		j := twice(tt.edit)
		j.Verify.Tolerance = 0
		if v := verified(t, j); v.Status != tt.status || (v.Difference != "") != (tt.status == results.Differs) {
			t.Errorf("%+v, want it to be %s", v, tt.status)
		}
	}
}

// swapped lets two events of a kind that follow each other change places, at the same time.
func swapped[H fleet.Happening](t *results.TrialRecord) {
	i, j := nth[H](t, 0), nth[H](t, 1)
	t.Events[i], t.Events[j] = t.Events[j], t.Events[i]
}

// TestSecondRunIsInNoFigure: results with a second run are those without it.
func TestSecondRunIsInNoFigure(t *testing.T) {
	j := twice(change(2, func(b *fleet.Beat) { b.WorkUnits = 7 }))
	with := measure.Compute(j)
	j.Trials, j.Verify = j.Trials[:1], nil
	without := measure.Compute(j)
	if len(without.Verification) > 0 {
		t.Errorf("a run without verification has one: %+v", without.Verification)
	}
	with.Verification = nil
	if compared, changes := measure.Changes(without, with); compared == 0 || len(changes) > 0 {
		t.Errorf("%d metrics, changed %v", compared, changes)
	}
	if c := with.Cells[0]; len(c.Trials) != 1 || c.Repeats != 1 || len(c.HostsDetail) != 2 {
		t.Errorf("%d trials of %d repeats with %d hosts", len(c.Trials), c.Repeats, len(c.HostsDetail))
	}
}

// TestUnverified: what was not compared is said not to have been.
func TestUnverified(t *testing.T) {
	for want, edit := range map[string]func(j *results.Journal){
		"it was not run a second time":                  func(j *results.Journal) { j.Trials = j.Trials[:1] },
		"its second run was invalid: no memory":         func(j *results.Journal) { j.Trials[1].Status, j.Trials[1].Reason = "invalid", "no memory" },
		"its second run was interrupted: a user did it": func(j *results.Journal) { j.Trials[1].Status, j.Trials[1].Reason = "interrupted", "a user did it" },
	} {
		j := twice(nil)
		edit(j)
		r := measure.Compute(j)
		if v := r.Verification[0]; v.Status != results.Unverified || v.Reason != want || len(r.Unreliable()) != 1 {
			t.Errorf("%+v, want %q", v, want)
		}
	}
	j := twice(func(t *results.TrialRecord) { t.Status = "interrupted" })
	if v := verified(t, j); v.Reason != "its second run was interrupted" {
		t.Errorf("%+v, want no reason but that", v)
	}
	j = twice(nil)
	second := *j.Trials[1]
	j.Trials[1].Status, j.Trials[1].Superseded = "interrupted", true
	second.Number = 3
	j.Trials = append(j.Trials, &second)
	if v := verified(t, j); v.Status != results.Identical {
		t.Errorf("a second run that was begun anew: %+v", v)
	}
	j.Trials[0].Status = "invalid"
	if v := measure.Compute(j).Verification; len(v) > 0 {
		t.Errorf("a trial without an end that counts is verified: %+v", v)
	}
}

// TestOneLostEntryIsOneDifference, wherever it is.
func TestOneLostEntryIsOneDifference(t *testing.T) {
	n := len(twice(nil).Trials[1].Events)
	for i := range n {
		v := verified(t, twice(func(t *results.TrialRecord) { t.Events = append(t.Events[:i:i], t.Events[i+1:]...) }))
		if v.Status != results.Differs || v.Changed != 1 {
			t.Errorf("event %d of %d lost: %+v", i, n, v)
		}
	}
}
