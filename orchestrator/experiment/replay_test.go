package experiment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
)

// eventful records a run with trials of every kind: interrupted and taken up again, invalid and run again, in waves, and
// one whose fleet could not be made; of the last one the journal has no end.
func eventful(t *testing.T, root string) (dir string, j *results.Journal) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := newRun(t, Config{Plan: smallPlan(t), Results: root})
	r.waves = map[string]int{"user/rapid-response/everyone/technicians": 2}
	r.finish(t, ctx, &testbed{stop: cancel}, false)
	again := newRun(t, Config{Results: root, Resume: r.dir})
	j = again.finish(t, t.Context(), &testbed{fails: map[string]int{userPlace + "-wave2": 1}}, true)
	w, _, err := results.Resume(filepath.Join(r.dir, results.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	none, err := w.Trial(7, j.Trials[0].TrialHeader)
	err = errors.Join(err, none.End(0, orchestrator.Invalid, "no fleet: no memory"))
	last, trialErr := w.Trial(8, j.Trials[2].TrialHeader)
	err = errors.Join(err, trialErr)
	for _, s := range j.Trials[2].Steps()[:40] {
		switch {
		case s.Event != nil:
			err = errors.Join(err, last.Event(fleet.Event{At: s.At, Host: s.Host, What: s.Event}))
		case s.Action != nil:
			err = errors.Join(err, last.Action(s.At, s.Action))
		default:
			err = errors.Join(err, last.Mark(s.At, s.Mark))
		}
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	if j, err = results.ReadFile(filepath.Join(r.dir, results.JournalFile)); err != nil {
		t.Fatal(err)
	}
	return r.dir, j
}

// withoutSums is a journal's text as a fleetfall wrote it whose entries carried no checksums: what it says can be
// edited.
func withoutSums(journal string) string {
	sums := regexp.MustCompile(`(,"trials":\[[^\]]*\])?,"sum":"[0-9a-f]{16}"}`)
	text := sums.ReplaceAllString(journal, "}")
	for _, schema := range []string{"2", "3"} {
		text = strings.Replace(text, `{"schema":`+schema, `{"schema":1`, 1)
	}
	return text
}

// entries are a journal's lines but its own first and last. Those of trials have their checksums; what is chained to
// the header, which is another, has none.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, results.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, `{"k":"resume"`) {
			lines[i] = withoutSums(line)
		}
	}
	return slices.DeleteFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, `{"k":"run"`) || strings.HasPrefix(line, `{"k":"run_end"`)
	})
}

// TestReplayWritesTheSameJournal: of a run in which everything happened that can.
func TestReplayWritesTheSameJournal(t *testing.T) {
	root := t.TempDir()
	dir, before := eventful(t, root)
	expectTold(t, before, "1 control settled", "2 kernel interrupted superseded", "3 kernel settled",
		"4 user settled wave 1 of 2", "5 user invalid wave 2 of 2 superseded", "6 user settled wave 2 of 2 attempt 2",
		"7 control invalid", "8 kernel interrupted")
	latest, err := os.Readlink(filepath.Join(root, "latest"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Replay(t.Context(), ReplayConfig{Run: dir, Results: root, Version: "9.9"})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Same() || r.Trials != 8 || r.Metrics < 60 {
		t.Errorf("%+v", r)
	}
	want := slices.DeleteFunc(entries(t, dir), func(line string) bool { return line == "" })
	if i := slices.IndexFunc(want, func(line string) bool { return strings.HasPrefix(line, `{"k":"trial","trial":8`) }); i != len(want)-41 {
		t.Fatalf("the last trial begins at entry %d of %d", i, len(want))
	}
	want = append(want, fmt.Sprintf(`{"k":"trial_end","trial":8,"at":%d,"what":"interrupted","reason":"the journal has no end for it"}`, before.Trials[7].End))
	got := slices.DeleteFunc(entries(t, r.Dir), func(line string) bool { return line == "" })
	got[len(got)-1] = withoutSums(got[len(got)-1]) // was not recorded
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-recorded +replayed):\n%s", diff)
	}
	events, actions := 0, 0
	for _, line := range want {
		events += strings.Count(line, `{"k":"event"`)
		actions += strings.Count(line, `{"k":"action"`)
	}
	if r.Events != events || r.Actions != actions {
		t.Errorf("%d events and %d actions are counted, and %d and %d were recorded", r.Events, r.Actions, events, actions)
	}

	// It says what it is, and is neither the latest run nor one to go on with.
	after, err := results.ReadFile(filepath.Join(r.Dir, results.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	if after.Replays != before.RunID || after.RunID == before.RunID || after.Status != results.StatusInterrupted {
		t.Errorf("run %s replays %q and is %s", after.RunID, after.Replays, after.Status)
	}
	facts := after.Provenance.Facts
	if !strings.Contains(facts[0].Value, before.RunID+", by fleetfall 9.9") || !slices.Equal(facts[1:], before.Provenance.Facts) {
		t.Errorf("provenance %q", facts)
	}
	page, err := os.ReadFile(filepath.Join(r.Dir, results.ReportFile))
	if err != nil || !bytes.Contains(page, []byte("This is a replay of run "+before.RunID)) {
		t.Errorf("the report does not say that it is a replay: %v", err)
	}
	if now, err := os.Readlink(filepath.Join(root, "latest")); err != nil || now != latest {
		t.Errorf("latest pointed to %s, and does to %s, %v", latest, now, err)
	}
	if _, err := Run(t.Context(), Config{Results: root, Resume: r.Dir}); !errors.Is(err, results.ErrReplay) {
		t.Errorf("a replay was resumed: %v", err)
	}
}

// edited replays a run whose journal was changed by edit.
func edited(t *testing.T, edit func(journal string) string) *Replayed {
	t.Helper()
	root := t.TempDir()
	run := newRun(t, Config{Plan: smallPlan(t), Results: root})
	run.finish(t, t.Context(), &testbed{}, false)
	path := filepath.Join(run.dir, results.JournalFile)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	journal := withoutSums(string(before))
	after := edit(journal)
	if after == journal {
		t.Fatal("nothing was edited")
	}
	if err := os.WriteFile(path, []byte(after), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := Replay(t.Context(), ReplayConfig{Run: run.dir, Results: root})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestReplayFindsOtherDecisions: a journal in which something else was decided, or had happened, stands for an
// orchestrator that decides otherwise.
func TestReplayFindsOtherDecisions(t *testing.T) {
	line := func(pattern string, edit func(string) string) func(string) string {
		return func(journal string) string {
			at := regexp.MustCompile(`(?m)^` + pattern + `.*\n`).FindStringIndex(journal)
			if at == nil {
				t.Fatalf("the journal has no line %s", pattern)
			}
			return journal[:at[0]] + edit(journal[at[0]:at[1]]) + journal[at[1]:]
		}
	}
	gone := func(string) string { return "" }
	for name, c := range map[string]struct {
		edit     func(string) string
		recorded string // what the divergence says is there
		now      string
	}{
		"an action": {
			line(`{"k":"action","trial":2,.*"what":"reset"`, func(l string) string { return strings.Replace(l, `"what":"reset"`, `"what":"power_off"`, 1) }),
			`action power_off {"host":"kernel-0`, `action reset {"host":"kernel-0`,
		},
		"an action's field": {
			line(`{"k":"action","trial":2,.*"what":"boot","data":{"host":"kernel-01","mode":"safe"}`, func(l string) string { return strings.Replace(l, "safe", "normal", 1) }),
			`action boot {"host":"kernel-01","mode":"normal"}`, `action boot {"host":"kernel-01","mode":"safe"}`,
		},
		"an event": {
			line(`{"k":"event","trial":2,.*"what":"panic"`, gone),
			`event timer {"tag":"restart/kernel-0`, `no timer of that name was asked for`,
		},
		"a mark":           {line(`{"k":"mark","trial":2,.*"what":"ready"`, gone), `event `, `mark "ready"`},
		"the trial's end":  {line(`{"k":"trial_end","trial":2`, func(l string) string { return strings.Replace(l, "settled", "deadline", 1) }), "the trial ends as deadline", "the trial ends as settled"},
		"the order's kind": {line(`{"k":"action","trial":2,.*"what":"tell"`, func(l string) string { return strings.Replace(l, "remove_content", "reboot", 1) }), `"order":"reboot"`, `"order":"remove_content"`},
	} {
		t.Run(name, func(t *testing.T) {
			r := edited(t, c.edit)
			if len(r.Diverged) != 1 || r.Diverged[0].Trial.Number != 2 {
				t.Fatalf("diverged %+v, want the second trial alone", r.Diverged)
			}
			d := r.Diverged[0].Where
			if !strings.Contains(d.Recorded, c.recorded) || !strings.Contains(d.Now, c.now) {
				t.Errorf("%v", d)
			}
			if name == "the trial's end" {
				return // it ends at the same time, which is all that metrics want to know
			}
			if len(r.Changed) == 0 || !strings.HasPrefix(r.Changed[0].Cell, "kernel/") {
				t.Errorf("changed metrics %v, want the kernel cell's: its trial was not replayed to its end", r.Changed)
			}
		})
	}
}

// TestReplayOfALostEnd: the process was killed before it could write that its last trial had settled. What is not in the
// journal did not happen, now either.
func TestReplayOfALostEnd(t *testing.T) {
	r := edited(t, func(journal string) string { return journal[:strings.LastIndex(journal, `{"k":"trial_end"`)] })
	j, err := results.ReadFile(filepath.Join(r.Dir, results.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	if last := j.Trials[len(j.Trials)-1]; !r.Same() || last.Status != orchestrator.Interrupted || last.Reason != "the journal has no end for it" {
		t.Errorf("the last trial is %s: %s; %+v", last.Status, last.Reason, r)
	}
}

// TestReplayIsInterrupted in the middle, and leaves a whole journal.
func TestReplayIsInterrupted(t *testing.T) {
	root := t.TempDir()
	run := newRun(t, Config{Plan: smallPlan(t), Results: root})
	run.finish(t, t.Context(), &testbed{}, false)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("asked for by the test"))
	r, err := Replay(ctx, ReplayConfig{Run: run.dir, Results: root})
	if !errors.Is(err, context.Canceled) || r == nil {
		t.Fatalf("%+v, %v", r, err)
	}
	j, err := results.ReadFile(filepath.Join(r.Dir, results.JournalFile))
	if err != nil || j.Status != results.StatusInterrupted || j.Reason != "asked for by the test" {
		t.Errorf("%+v, %v", j, err)
	}
	if len(r.Diverged) > 0 {
		t.Errorf("what was interrupted is said to differ: %+v", r.Diverged)
	}
}
