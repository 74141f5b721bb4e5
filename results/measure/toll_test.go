package measure_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/measure"
	"github.com/fleetfall/fleetfall/scenarios"
)

// worked is a beat with units of work of one kind.
func worked(what string, units int, each time.Duration) fleet.Beat {
	b := beat()
	b.Loads = []fleet.Load{{What: what, Units: units, Total: time.Duration(units) * each}}
	return b
}

// and adds a cell of an architecture to the story, and begins a trial of it.
func (y *story) and(architecture string, hosts ...string) *story {
	other := y.journal.Plan.Cells[0]
	other.ID, other.Fleet.Name, other.Fleet.Architecture, other.Fleet.Hosts = architecture+"/u/everyone/r", architecture, architecture, len(hosts)
	y.journal.Plan.Cells = append(y.journal.Plan.Cells, other)
	y.begin(hosts...)
	y.trial.Cell, y.trial.Repeat = other.ID, 0
	return y
}

// TestOverhead: executions take twice as long with the agent and reads half again, whatever came after the injection; a build,
// which the bare fleet did not do, has nothing to be compared with.
func TestOverhead(t *testing.T) {
	y := newStory("kernel").begin("a", "b")
	y.at(-5, "a", worked("exec", 3, 4*s)).at(-5, "a", worked("read", 1, 3*s)).at(-4, "b", worked("build", 1, 9*s))
	y.at(-3, "a", worked("exec", -2, -s)).at(-3, "b", worked("read", 1, -s)) // no such work
	y.at(5, "a", worked("exec", 2, 50*s)).beats(5, 9, "a", "b").end(9, "settled")
	y.and("none", "a").at(-5, "a", worked("exec", 1, s)).at(-4, "a", worked("exec", 1, 3*s)).at(-3, "a", worked("read", 2, 2*s))
	y.beats(5, 9, "a").end(9, "settled")
	r := measure.Compute(y.journal)
	expectMetrics(t, r.Cells[0], map[string]float64{"overhead": (2+1.5)/2 - 1})
	expectMetrics(t, r.Cells[1], map[string]float64{"overhead": 0})
	if m := r.Cells[0].Metrics["overhead"]; m.N != 1 || m.Unit != "ratio" {
		t.Errorf("overhead %+v, want that of the one repeat", m)
	}
	seconds := func(v float64) *float64 { return &v }
	want := []results.Load{
		{What: "exec", Before: results.Work{Units: 3, Mean: seconds(4)}, After: results.Work{Units: 2, Mean: seconds(50)}},
		{What: "read", Before: results.Work{Units: 1, Mean: seconds(3)}},
		{What: "build", Before: results.Work{Units: 1, Mean: seconds(9)}},
	}
	if diff := cmp.Diff(want, r.Cells[0].Loads); diff != "" {
		t.Errorf("loads (-want +got):\n%s", diff)
	}

	y.journal.Plan.Cells, y.journal.Trials = y.journal.Plan.Cells[:1], y.journal.Trials[:1]
	if m := measure.Compute(y.journal).Cells[0].Metrics["overhead"]; m.Value != nil || m.Note == "" {
		t.Errorf("overhead with no fleet to compare with is %+v, want none and a note", m)
	}
}

// TestWorkThatTookNoTime counts as work. Time without a unit does not, and nothing is so many times as long as no time.
func TestWorkThatTookNoTime(t *testing.T) {
	load := func(what string, units int, total time.Duration) fleet.Beat {
		b := beat()
		b.Loads = []fleet.Load{{What: what, Units: units, Total: total}}
		return b
	}
	y := newStory("kernel").begin("a")
	y.at(-5, "a", load("exec", 1, 0)).at(-4, "a", load("exec", 1, 3*s)).at(-3, "a", load("exec", 0, 9*s))
	y.at(-2, "a", load("read", 1, s))
	y.beats(5, 9, "a").end(9, "settled")
	y.and("none", "a").at(-5, "a", load("exec", 1, s)).at(-4, "a", load("read", 1, 0)).at(-3, "a", load("open", 1, s))
	y.beats(5, 9, "a").end(9, "settled")
	c := measure.Compute(y.journal).Cells[0]
	expectMetrics(t, c, map[string]float64{"overhead": 1.5 - 1}) // of executions alone
	mean := 1.5
	if diff := cmp.Diff(results.Work{Units: 2, Mean: &mean}, c.Loads[0].Before); diff != "" {
		t.Errorf("executions (-want +got):\n%s", diff)
	}
}

// TestToll is two hosts that run short of everything after the injection, and what they said before it is in no figure.
func TestToll(t *testing.T) {
	short := func(available int64, delay time.Duration, n int) fleet.Beat {
		b := beat()
		b.Available, b.RunDelay, b.WorkHung, b.PollsFailed, b.Killed = available, delay, n, 2*n, 3*n
		return b
	}
	y := newStory("user").begin("a", "b")
	y.at(-4, "a", short(100, s, 9)).at(-2, "a", short(300, s, 9)).at(-2, "b", short(50, s, 9))
	y.at(2, "a", short(60, s, 1)).at(4, "a", short(20, 3*s, 1)) // 4 s of waiting in the 4 s since the injection
	y.at(3, "b", short(80, 0, 0))                               // 3 s, and it has more than before
	y.at(5, "b", panicked()).at(6, "b", fleet.Booting{Mode: fleet.Normal})
	y.at(8, "a", beat())                                          // 4 s more, and it does not say what it has
	y.at(8, "b", short(90, 7*s, 1)).at(9, "b", short(90, 3*s, 0)) // the first of a boot: since when is not known
	y.end(9, "settled")
	expectMetrics(t, measure.Compute(y.journal).Cells[0], map[string]float64{
		"memory_taken": (200 - 20 + 0) / 2.0, "run_delay": (4.0/8 + 3.0/4) / 2,
		"blocked_work": 3, "polls_failed": 6, "processes_killed": 9,
	})

	y = newStory("user").begin("a").end(9, "settled")
	c := measure.Compute(y.journal).Cells[0]
	for _, name := range []string{"memory_taken", "run_delay"} {
		if m := c.Metrics[name]; m.Value != nil || m.Note == "" {
			t.Errorf("%s of hosts that did not say is %+v, want none and a note", name, m)
		}
	}
}

// TestHangs counts the times that hosts fell silent after the injection, one by a boot that said nothing.
func TestHangs(t *testing.T) {
	y := newStory("kernel").begin("a", "b", "c", "d")
	y.trial.Events = slices.DeleteFunc(y.trial.Events, func(e fleet.Event) bool { return e.Host == "d" })
	y.at(-20, "d", fleet.Booting{Mode: fleet.Normal}).at(-5, "d", fleet.BootFailed{Reason: "no hello"}) // hung before the injection
	y.beats(5, 10, "a").at(11, "b", fleet.Booting{Mode: fleet.Normal}).at(18, "c", panicked())          // c has been silent since 0
	y.at(25, "a", beat()).at(26, "b", fleet.BootFailed{Reason: "no hello"}).end(50, "deadline")         // a from 20 to 25, and from 35 on
	expectMetrics(t, measure.Compute(y.journal).Cells[0], map[string]float64{"hangs": 2 + 2 + 1, "crashes": 1})
}

// serve records that hosts are served content from a time on.
func (y *story) serve(t float64, version uint64, hosts ...string) *story {
	for _, h := range hosts {
		y.trial.Decisions = append(y.trial.Decisions, results.Decision{
			At: injectedAt + time.Duration(t*float64(s)), Events: len(y.trial.Events), Action: fleet.Serve{Host: h, Version: version},
		})
	}
	return y
}

func TestStranded(t *testing.T) {
	has := func(version uint64) fleet.Beat {
		b := beat()
		b.ContentVersion = version
		return b
	}
	no := fleet.ContentRefused{Version: 2, Reason: "bad signature"}
	stuck := fleet.ContentRefused{Version: 3, Reason: "older than what is loaded"}
	type told struct {
		host string
		what fleet.Happening
	}
	for _, c := range []struct {
		name         string
		architecture string
		served       uint64 // last; 3 is the revert
		told         []told
		want         float64 // -1 for none
	}{
		{"loaded or not", "kernel", 3, []told{{"a", has(3)}, {"b", has(2)}}, 0.5},
		{"loaded, and lost again", "kernel", 3, []told{{"a", has(3)}, {"b", has(3)}, {"a", has(1)}}, 0.5},
		{"a revert that is refused strands", "kernel", 3, []told{{"a", has(3)}, {"b", stuck}, {"b", has(2)}}, 0.5},
		{"an update that is refused does not", "kernel", 2, []told{{"a", has(2)}, {"b", no}, {"b", has(1)}}, 0},
		{"the testbed's failures are none", "kernel", 3, []told{{"a", has(3)}, {"b", fleet.InfraFailed{Op: "x"}}}, 0},
		{"without an agent", "none", 3, []told{{"a", has(0)}}, -1},
		{"nothing was served", "kernel", 0, []told{{"a", has(1)}}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			y := newStory(c.architecture).begin("a", "b")
			if c.served > 0 {
				y.serve(0, 2, "a", "b")
			}
			if c.served == 3 {
				y.serve(1, 3, "a", "b").trial.Marks[results.MarkReverted] = injectedAt + 1*s
			}
			for _, x := range c.told {
				y.at(2, x.host, x.what)
			}
			m := measure.Compute(y.end(9, "deadline").journal).Cells[0].Metrics["stranded"]
			switch {
			case c.want < 0 && (m.Value != nil || m.Note == ""):
				t.Errorf("%+v, want none and a note", m)
			case c.want >= 0 && (m.Value == nil || *m.Value != c.want):
				t.Errorf("%+v, want %v", m, c.want)
			}
		})
	}
}

// TestCausesOfAllCells has one cause in both cells, and another in one.
func TestCausesOfAllCells(t *testing.T) {
	excerpt := panicked()
	excerpt.Excerpt = "the console's lines differ from host to host"
	y := newStory("kernel").begin("a", "b").at(3, "a", panicked()).at(3, "a", fleet.Dumped{Error: "the disk is full"})
	y.at(4, "b", excerpt).at(5, "b", fleet.Dumped{File: "memory.dump"}).end(9, "deadline")
	y.and("hybrid", "a").at(2, "a", fleet.Dumped{File: "memory.dump"}) // at a panic before the injection
	y.at(3, "a", fleet.Panic{Title: "hung task"}).at(4, "a", panicked()).at(5, "a", panicked()).end(9, "deadline")
	y.and("user", "a").beats(5, 9, "a").end(9, "settled")
	causes := measure.Compute(y.journal).Causes
	if len(causes) != 2 || causes[0].Count != 4 || causes[0].Hosts != 3 || causes[0].At != 3 || causes[1].Title != "hung task" {
		t.Fatalf("causes %+v", causes)
	}
	if causes[0].Dump != "hosts/f_u_everyone_r-0/b/memory.dump" || causes[1].Dump != "" {
		t.Errorf("dumps %q and %q", causes[0].Dump, causes[1].Dump)
	}
	want := []results.Struck{{Cell: "f/u/everyone/r", Count: 2, Hosts: 2}, {Cell: "hybrid/u/everyone/r", Count: 2, Hosts: 1}}
	if diff := cmp.Diff(want, causes[0].Cells); diff != "" {
		t.Errorf("cells struck by the first cause (-want +got):\n%s", diff)
	}
}

// TestDumpOfACause: the first that was kept is shown.
func TestDumpOfACause(t *testing.T) {
	y := newStory("kernel").begin("a", "b").at(3, "a", panicked()).at(4, "a", fleet.Dumped{File: "first.dump"})
	y.at(3, "b", panicked()).at(4, "b", fleet.Dumped{File: "second.dump"}).end(9, "deadline")
	causes := measure.Compute(y.journal).Causes
	if len(causes) != 1 || causes[0].Count != 2 || causes[0].Dump != "hosts/f_u_everyone_r-0/a/first.dump" {
		t.Errorf("causes %+v", causes)
	}
}

// TestCausesByCaller: what two modules have the same function of the kernel do are two causes.
func TestCausesByCaller(t *testing.T) {
	y := newStory("kernel").begin("a", "b", "c")
	for _, p := range []struct{ host, caller string }{{"a", "agentk:ff_load"}, {"b", "other:load"}, {"c", "agentk:ff_load"}} {
		y.at(3, p.host, fleet.Panic{Title: "page fault in memcmp", Function: "memcmp", Caller: p.caller})
	}
	causes := measure.Compute(y.end(9, "deadline").journal).Causes
	if len(causes) != 2 || causes[0].Caller != "agentk:ff_load" || causes[0].Hosts != 2 || causes[1].Caller != "other:load" {
		t.Errorf("causes %+v", causes)
	}
}

// TestMetricsAreThoseDefined: what an expectation can bound is computed, in the unit that its bounds are read in.
func TestMetricsAreThoseDefined(t *testing.T) {
	y := newStory("kernel").begin("a").beats(5, 9, "a").end(9, "settled")
	metrics := measure.Compute(y.journal).Cells[0].Metrics
	for _, m := range scenarios.Metrics() {
		if got, ok := metrics[m.Name]; !ok || got.Unit != string(m.Unit) {
			t.Errorf("%s is computed as %+v, and defined in %q", m.Name, got, m.Unit)
		}
	}
	if len(metrics) != len(scenarios.Metrics()) {
		t.Errorf("%d metrics are computed, %d defined", len(metrics), len(scenarios.Metrics()))
	}
}
