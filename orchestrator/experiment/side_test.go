package experiment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/measure"
	"github.com/fleetfall/fleetfall/scenarios"
)

// manyPlan has nine trials.
func manyPlan(t testing.TB) *scenarios.Plan {
	t.Helper()
	plan, diags := scenarios.LoadFile(t.Context(), "channel-file-291", scenarios.Options{Vars: map[string]string{"hosts": "2", "repeat": "3"}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return plan
}

// A crowd is a testbed of which some fleets wait at their tenth event until all of them are there.
type crowd struct {
	testbed
	meet []string           // their names
	then func(place string) // called by each of them once all have met; may be nil

	behind map[string]string        // fleets that wait until another is closed, by name
	closed map[string]chan struct{} // closed with the fleet of a name

	count sync.Mutex
	here  int
	all   chan struct{} // closed when all have met
	open  int
	most  int // fleets that were open at a time
}

func newCrowd(meet ...string) *crowd {
	return &crowd{meet: meet, all: make(chan struct{}), closed: map[string]chan struct{}{}}
}

// shut is closed with the first fleet of a name.
func (c *crowd) shut(place string) chan struct{} {
	c.count.Lock()
	defer c.count.Unlock()
	if c.closed[place] == nil {
		c.closed[place] = make(chan struct{})
	}
	return c.closed[place]
}

func (c *crowd) NewFleet(ctx context.Context, cfg backend.FleetConfig) (fleet.Fleet, error) {
	f, err := c.testbed.NewFleet(ctx, cfg)
	if err != nil {
		return nil, err
	}
	c.count.Lock()
	defer c.count.Unlock()
	c.open++
	c.most = max(c.most, c.open)
	return &member{Fleet: f, of: c, place: cfg.Name}, nil
}

// A member is a fleet of a crowd.
type member struct {
	fleet.Fleet
	of     *crowd
	place  string
	events int
}

func (m *member) Next(ctx context.Context) (fleet.Event, error) {
	if m.events++; m.events == 1 && m.of.behind[m.place] != "" {
		if err := until(ctx, m.of.shut(m.of.behind[m.place])); err != nil {
			return fleet.Event{}, err
		}
	}
	if m.events == 10 && slices.Contains(m.of.meet, m.place) {
		if err := m.wait(ctx); err != nil {
			return fleet.Event{}, err
		}
	}
	return m.Fleet.Next(ctx)
}

func (m *member) wait(ctx context.Context) error {
	m.of.count.Lock()
	if m.of.here++; m.of.here == len(m.of.meet) {
		close(m.of.all)
	}
	m.of.count.Unlock()
	if err := until(ctx, m.of.all); err != nil {
		return err
	}
	if m.of.then != nil {
		m.of.then(m.place)
	}
	return nil
}

// until waits for others.
func until(ctx context.Context, there <-chan struct{}) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("the others never came"))
	defer cancel()
	select {
	case <-there:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (m *member) Close(ctx context.Context) error {
	shut := m.of.shut(m.place)
	m.of.count.Lock()
	defer m.of.count.Unlock()
	m.of.open--
	select {
	case <-shut: // by an earlier attempt
	default:
		close(shut)
	}
	return m.Fleet.Close(ctx)
}

// segments are the lines of each trial of a journal, sums and all, without the trial's number.
func segments(t *testing.T, r *run) map[string][]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(r.dir, results.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	number := regexp.MustCompile(`^{"k":"[a-z_]+","trial":([0-9]+)`)
	of := map[string][]string{}
	for line := range strings.Lines(string(data)) {
		if m := number.FindStringSubmatch(line); m != nil {
			of[m[1]] = append(of[m[1]], line)
		}
	}
	return of
}

// lies tells whether entries of several trials lie among each other in a run's journal.
func lies(t *testing.T, r *run) bool {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(r.dir, results.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?s)"trial","trial":2.*"event","trial":1,.*"trial_end","trial":1,`).Match(data)
}

// fails says which of the many trials the testbed fails how often: two of them once, and one for good.
func fails() map[string]int {
	return map[string]int{
		"control_rapid-response_everyone_technicians-1": 1, "kernel_rapid-response_everyone_technicians-1": 9,
		"user_rapid-response_everyone_technicians-2": 1,
	}
}

// TestSideBySideIsTheSame as one after the other: the same trials under the same numbers, line by line, and the same
// figures; also where the testbed fails some of them.
func TestSideBySideIsTheSame(t *testing.T) {
	one := newRun(t, Config{Plan: manyPlan(t), Results: t.TempDir()})
	one.atOnce = 1
	alone := newCrowd()
	alone.fails = fails()
	a := one.finish(t, t.Context(), alone, false)

	three := newRun(t, Config{Plan: manyPlan(t), Results: t.TempDir()})
	three.atOnce = 3
	together := newCrowd(controlPlace, kernelPlace, userPlace)
	together.fails = fails()
	together.behind = map[string]string{ // the first one that fails ends behind the second
		"control_rapid-response_everyone_technicians-1": "kernel_rapid-response_everyone_technicians-1",
	}
	var telling atomic.Bool
	three.Watch = func(orchestrator.Progress) {
		if telling.Swap(true) {
			t.Error("two trials tell at a time")
		}
		for range 50 {
			runtime.Gosched()
		}
		telling.Store(false)
	}
	b := three.finish(t, t.Context(), together, false)

	if alone.most != 1 || together.most != 3 || alone.open != 0 || together.open != 0 {
		t.Errorf("%d and %d fleets were open at a time, want 1 and 3; %d and %d are", alone.most, together.most, alone.open, together.open)
	}
	if diff := cmp.Diff(told(a), told(b)); diff != "" {
		t.Errorf("trials (-one after the other +side by side):\n%s", diff)
	}
	if diff := cmp.Diff(segments(t, one), segments(t, three)); diff != "" {
		t.Errorf("journals (-one after the other +side by side):\n%s", diff)
	}
	if lies(t, one) || !lies(t, three) {
		t.Error("this test shows nothing: want no trials among each other in one journal, and some in the other")
	}
	but := cmpopts.IgnoreFields(results.Results{}, "Run", "Provenance")
	if diff := cmp.Diff(measure.Compute(a), measure.Compute(b), but); diff != "" {
		t.Errorf("results (-one after the other +side by side):\n%s", diff)
	}
	if one.ended != one.all || three.ended != three.all || three.all != 9 {
		t.Errorf("%d of %d and %d of %d trials have ended", one.ended, one.all, three.ended, three.all)
	}
}

// TestSideBySideIsResumed: of a run that is interrupted or killed with three trials under way all three run again, and
// no other.
func TestSideBySideIsResumed(t *testing.T) {
	for _, kill := range []bool{false, true} {
		root := t.TempDir()
		r := newRun(t, Config{Plan: manyPlan(t), Results: root})
		r.atOnce = 3
		ctx, cancel := context.WithCancelCause(t.Context())
		first := newCrowd(controlPlace, kernelPlace, userPlace)
		path := filepath.Join(root, "killed")
		first.then = func(string) {
			if !kill {
				cancel(errors.New("asked for by the test"))
			}
		}
		j := r.finish(t, ctx, first, false)
		if kill {
			j = killedUnderWay(t, r, path)
		}
		for _, trial := range j.Trials {
			if trial.Status != results.StatusInterrupted || !kill && trial.Reason != "asked for by the test" {
				t.Errorf("trial %d is %s: %s", trial.Number, trial.Status, trial.Reason)
			}
		}
		if len(j.Trials) != 3 || !kill && r.ended != 0 || first.open != 0 {
			t.Errorf("%d trials had begun, %d ended, and %d fleets are open", len(j.Trials), r.ended, first.open)
		}

		dir := r.dir
		if kill {
			dir = path
		}
		again := newRun(t, Config{Results: root, Resume: dir})
		again.atOnce = 3
		second := newCrowd(controlPlace, kernelPlace, userPlace)
		j = again.finish(t, t.Context(), second, false)
		var want []string
		for n := range 12 {
			line := fmt.Sprintf("%d %s settled", n+1, []string{"control", "kernel", "user"}[n%3])
			if n < 3 {
				line = strings.Replace(line, "settled", "interrupted superseded", 1)
			}
			want = append(want, line)
		}
		expectTold(t, j, want...)
		if j.Status != results.StatusComplete || second.most != 3 {
			t.Errorf("status %s; %d at a time", j.Status, second.most)
		}
		for i := range 3 {
			if a, b := j.Trials[i], j.Trials[i+3]; a.Seed != b.Seed || a.Cell != b.Cell || a.Repeat != b.Repeat {
				t.Errorf("trial %d is not in the place of trial %d", b.Number, a.Number)
			}
			if aside := console(t, again, results.PlaceName(j.Trials[i].Cell, 0, 0, false)+fmt.Sprintf("-trial%d", i+1)); aside == "" {
				t.Errorf("the consoles of trial %d are not set aside", i+1)
			}
		}
		replayed, err := Replay(t.Context(), ReplayConfig{Run: again.dir, Results: root})
		if err != nil || !replayed.Same() || replayed.Trials != 12 {
			t.Errorf("replay: %+v, %v", replayed, err)
		}
	}
}

// killedUnderWay makes of a run one that was killed when its first trials were under way.
func killedUnderWay(t *testing.T, r *run, to string) *results.Journal {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(r.dir)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(to, results.JournalFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	cut := strings.Index(text, `{"k":"trial_end"`)
	if err := os.WriteFile(path, []byte(text[:cut]), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, cell := range []string{"control", "kernel", "user"} { // of later trials there is nothing
		for repeat := 1; repeat < 3; repeat++ {
			place := fmt.Sprintf("%s_rapid-response_everyone_technicians-%d", cell, repeat)
			if err := os.RemoveAll(filepath.Join(to, results.HostsDir, place)); err != nil {
				t.Fatal(err)
			}
		}
	}
	j, err := results.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// TestOneErrorEndsAllTrials: what is under way beside a trial that cannot go on is interrupted, says why, and leaves
// nothing behind; nothing begins any more.
func TestOneErrorEndsAllTrials(t *testing.T) {
	r := newRun(t, Config{Plan: manyPlan(t), Results: t.TempDir()})
	r.atOnce = 3
	b := newCrowd(controlPlace, kernelPlace, userPlace)
	lost := errors.New("the backend is lost")
	from := failing{crowd: b, at: "control_rapid-response_everyone_technicians-1", err: lost, stopped: make(chan struct{})}
	b.then = func(place string) { // of the first three one comes to its end, and the next one cannot begin
		if place != controlPlace {
			<-from.stopped
		}
	}
	if err := r.begin(results.Provenance{}); err != nil {
		t.Fatal(err)
	}
	err := r.trials(t.Context(), &from)
	if !errors.Is(err, lost) || errors.Is(err, context.Canceled) {
		t.Errorf("the run ends by %v", err)
	}
	if err := errors.Join(r.journal.End(results.StatusFailed, err.Error(), results.Ending{}), r.journal.Close()); err != nil {
		t.Fatal(err)
	}
	j, err := results.ReadFile(filepath.Join(r.dir, results.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	expectTold(t, j, "1 control settled", "2 kernel interrupted", "3 user interrupted", "4 control invalid")
	for _, trial := range j.Trials[1:3] {
		if trial.Reason != "trial 4 ended the run: the backend is lost" {
			t.Errorf("trial %d: %s", trial.Number, trial.Reason)
		}
	}
	if b.open != 0 || r.ended != 1 {
		t.Errorf("%d fleets are open, and %d trials have ended", b.open, r.ended)
	}
}

// failing is a testbed that cannot make the fleet of a place.
type failing struct {
	*crowd
	at      string
	err     error
	stopped chan struct{} // closed when the run stops its trials after that
}

func (f *failing) NewFleet(ctx context.Context, cfg backend.FleetConfig) (fleet.Fleet, error) {
	if cfg.Name == f.at {
		context.AfterFunc(ctx, func() { close(f.stopped) })
		return nil, f.err
	}
	return f.crowd.NewFleet(ctx, cfg)
}

// TestHowManyAtOnce: as many as are asked for, or as keep the CPUs busy, and fit; one where others would tell.
func TestHowManyAtOnce(t *testing.T) {
	able := fleet.Caps{Backend: "fake", Clock: fleet.VirtualClock, Has: []fleet.Capability{fleet.CanRunBeside}}
	unable := fleet.Caps{Backend: "fake", Clock: fleet.WallClock}
	for name, c := range map[string]struct {
		caps   fleet.Caps
		asked  int
		fit    int
		verify *results.Verify
		want   int
		says   string
	}{
		"asked for":         {able, 7, 100, nil, 7, ""},
		"one":               {able, 1, 100, nil, 1, ""},
		"fewer fit":         {able, 7, 5, nil, 5, "5 trials at a time: there is no room for the hosts of 7"},
		"none beside":       {unable, 7, 100, nil, 1, "one trial at a time: on the wall clock"},
		"none beside asked": {unable, 0, 100, nil, 1, ""},
		"verified":          {able, 0, 100, &results.Verify{}, 1, ""},
	} {
		var said []string
		r := &run{Config: Config{AtOnce: c.asked, Step: func(s string) { said = append(said, s) }}, backend: capable{caps: c.caps}, verify: c.verify}
		r.decideAtOnce(c.fit)
		if r.atOnce != c.want || !strings.HasPrefix(strings.Join(said, ";"), c.says) || c.says == "" && len(said) > 0 {
			t.Errorf("%s: %d at once, and says %q; want %d, %q", name, r.atOnce, said, c.want, c.says)
		}
	}
	r := &run{backend: capable{caps: able}}
	if r.decideAtOnce(1000); r.atOnce < 2 {
		t.Errorf("%d at once where nothing is asked for", r.atOnce)
	}
}

// capable is a backend that can do something.
type capable struct {
	backend.Backend
	caps fleet.Caps
}

func (c capable) Caps() fleet.Caps { return c.caps }

// TestRunSaysHowManyAtOnce in its journal's header, from which its reader knows what may lie among what.
func TestRunSaysHowManyAtOnce(t *testing.T) {
	drivers := fakes()
	for asked, want := range map[int]int{1: 1, 3: 3} {
		finished, err := Run(t.Context(), Config{
			Plan: loadOnFakes(t, drivers, onFakes(t)), Results: filepath.Join(t.TempDir(), "results"), Backends: drivers, AtOnce: asked,
		})
		if err != nil {
			t.Fatal(err)
		}
		j, err := results.ReadFile(filepath.Join(finished.Dir, results.JournalFile))
		if err != nil {
			t.Fatal(err)
		}
		side := results.Fact{Name: "trials side by side", Value: fmt.Sprintf("up to %d", want)}
		if j.AtOnce != want || slices.Contains(j.Provenance.Facts, side) != (want > 1) {
			t.Errorf("the header says %d, want %d; facts %+v", j.AtOnce, want, j.Provenance.Facts)
		}
	}
}
