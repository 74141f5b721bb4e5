package results

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// interleaved leaves the lines of a journal of four trials, of which up to three are under way at a time: trial 2 ends
// first, trial 4 begins then, and trials 3, 1 and 4 end after that. It ends as status, or not at all if that is empty.
func interleaved(t testing.TB, status string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), JournalFile)
	h := header()
	h.AtOnce = 3
	w, err := Create(path, h)
	if err != nil {
		t.Fatal(err)
	}
	trials := map[int]*TrialWriter{}
	begin := func(n int, cell string, repeat int) {
		var beginErr error
		trials[n], beginErr = w.Trial(n, TrialHeader{Cell: cell, Repeat: repeat, Hosts: hosts()})
		err = errors.Join(err, beginErr)
	}
	mark := func(name string, at time.Duration, numbers ...int) {
		for _, n := range numbers {
			err = errors.Join(err, trials[n].Mark(at, name))
		}
	}
	end := func(numbers ...int) {
		for _, n := range numbers {
			err = errors.Join(err, trials[n].End(9, "settled", ""))
		}
	}
	begin(1, "a", 0)         // line 2
	begin(2, "b", 0)         // 3
	begin(3, "c", 0)         // 4
	mark(MarkReady, 5, 3, 1) // 5, 6
	mark(MarkReady, 5, 2)    // 7
	end(2)                   // 8
	begin(4, "a", 1)         // 9
	mark(MarkReady, 5, 4)    // 10
	mark(MarkInjected, 7, 1) // 11
	end(3, 1, 4)             // 12, 13, 14
	if status != "" {
		err = errors.Join(err, w.End(status, "", Ending{})) // 15
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return linesOf(t, path)
}

// TestTrialsSideBySide are read as if they had been run one after the other.
func TestTrialsSideBySide(t *testing.T) {
	j, err := Read(strings.NewReader(strings.Join(interleaved(t, StatusComplete), "")))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		cell      string
		decisions int
	}{{"a", 2}, {"b", 1}, {"c", 1}, {"a", 1}} {
		got := j.Trials[i]
		if got.Number != i+1 || got.Cell != want.cell || !got.Counts() || len(got.Decisions) != want.decisions || got.End != 9 || got.Superseded {
			t.Errorf("trial %d: %+v", i+1, got)
		}
	}
}

// TestDamageAmongOthers: a line that is changed, lost or doubled is noticed in a journal whose trials lie among each
// other too, whatever the others went on to say.
func TestDamageAmongOthers(t *testing.T) {
	l := interleaved(t, StatusComplete)
	for i := range l[:len(l)-1] { // what is cut off the end is a run that was killed
		for name, damaged := range map[string][]string{
			"changed": slices.Concat(l[:i], []string{strings.Replace(l[i], `"k"`, `"K"`, 1)}, l[i+1:]),
			"lost":    slices.Concat(l[:i], l[i+1:]),
			"doubled": slices.Concat(l[:i+1], l[i:]),
		} {
			if _, err := Read(strings.NewReader(strings.Join(damaged, ""))); err == nil {
				t.Errorf("line %d %s: it is read", i+1, name)
			}
		}
	}
	in := func(lines ...string) string { return strings.Join(lines, "") }
	for name, c := range map[string]struct{ journal, want string }{
		"a changed mark": {
			strings.Replace(in(l...), `"trial":1,"at":7`, `"trial":1,"at":6`, 1),
			"line 11: damaged: its checksum is not that of this line and those before it: one of them was changed, or is missing, " +
				"twice or in another place; trial 2 is whole: the first 8 lines, copied",
		},
		"an end that is lost": { // which only the end of the run tells
			in(in(l[:11]...), in(l[12:]...)),
			"line 14: damaged: trial 3 is not the one that was recorded: it was cut short, or another is in its place; " +
				"no trial before it is whole", // trials 1 and 2 ended when trial 3 had begun
		},
		"more than may be under way": {
			in(in(l[:7]...), l[8]),
			"line 8: trial 4 begins, and trial 1 has no end: 3 at a time may be under way; no trial before it is whole",
		},
		"the end of the last": {
			in(in(l[:13]...), l[14]),
			"line 14: damaged: trial 4 is not the one that was recorded: it was cut short, or another is in its place; " +
				"trial 2 is whole: the first 8 lines, copied",
		},
		"two ends of the run": {
			in(in(l...), l[14]),
			"line 16: run_end after the end of the run, which was not resumed; trials 1 to 4 are whole: the first 14 lines, copied",
		},
		"a mark behind the end": {
			in(in(l[:12]...), l[11], in(l[12:]...)),
			"line 13: trial_end of trial 3, which was over; trials 2 to 3 are whole: the first 12 lines, copied",
		},
	} {
		_, err := Read(strings.NewReader(c.journal))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		}
	}
}

// TestUsableLinesAmongOthers: what an error says is whole can be read by itself, and is.
func TestUsableLinesAmongOthers(t *testing.T) {
	l := interleaved(t, "")
	j, err := Read(strings.NewReader(strings.Join(l[:12], "")))
	if err != nil {
		t.Fatal(err)
	}
	var counted []int
	for _, trial := range j.Trials {
		if trial.Counts() {
			counted = append(counted, trial.Number)
		}
	}
	if !slices.Equal(counted, []int{2, 3}) {
		t.Errorf("trials %v count", counted)
	}
	if got := ranges([]int{1, 2, 3, 5, 7, 8}); got != "1 to 3, 5, 7 to 8" {
		t.Errorf("ranges are %s", got)
	}
}

// TestResumedWithOthersUnderWay: what was under way when a run was killed has no further entry, and from there on as
// many may be under way as the resumption says.
func TestResumedWithOthersUnderWay(t *testing.T) {
	killed := strings.Join(interleaved(t, "")[:11], "") // trials 1, 3 and 4 are under way
	path := filepath.Join(t.TempDir(), JournalFile)
	if err := os.WriteFile(path, []byte(killed), 0o644); err != nil {
		t.Fatal(err)
	}
	w, j, err := Resume(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range []struct {
		cell     string
		repeat   int
		finished bool
	}{{"a", 0, false}, {"b", 0, true}, {"c", 0, false}, {"a", 1, false}} {
		if j.Finished(place.cell, place.repeat, 0, false) != place.finished {
			t.Errorf("cell %s, repeat %d: finished is to be %v", place.cell, place.repeat, place.finished)
		}
	}
	if err := w.GoOn(Resumption{AtOnce: 2}); err != nil {
		t.Fatal(err)
	}
	if err := w.Append(Entry{Kind: KindTrialEnd, Trial: 3, What: "settled"}, nil); err == nil {
		t.Error("a trial from before goes on")
	}
	var trials []*TrialWriter
	for i, cell := range []string{"a", "c"} {
		trial, err := w.Trial(5+i, TrialHeader{Cell: cell, Hosts: hosts()})
		if err != nil {
			t.Fatal(err)
		}
		trials = append(trials, trial)
	}
	if _, err := w.Trial(7, TrialHeader{Cell: "a", Repeat: 1, Hosts: hosts()}); err == nil {
		t.Error("three are under way, and the resumption has two")
	}
	err = errors.Join(trials[1].End(9, "settled", ""), trials[0].End(9, "settled", ""))
	if err := errors.Join(err, w.End(StatusInterrupted, "", Ending{}), w.Close()); err != nil {
		t.Fatal(err)
	}
	if j, err = ReadFile(path); err != nil {
		t.Fatal(err)
	}
	var superseded []bool
	for _, trial := range j.Trials {
		superseded = append(superseded, trial.Superseded)
	}
	if want := []bool{true, false, true, false, false, false}; !slices.Equal(superseded, want) {
		t.Errorf("superseded %v, want %v", superseded, want)
	}
}

// TestResumedWithMoreAtOnce than the run began with.
func TestResumedWithMoreAtOnce(t *testing.T) {
	path := unfinished(t, "", attempt{cell: "a"})
	w, _, err := Resume(path)
	if err != nil {
		t.Fatal(err)
	}
	err = w.GoOn(Resumption{AtOnce: 2})
	for i, cell := range []string{"a", "b"} {
		_, beginErr := w.Trial(2+i, TrialHeader{Cell: cell, Hosts: hosts()})
		err = errors.Join(err, beginErr)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	if j, err := ReadFile(path); err != nil || len(j.Trials) != 3 {
		t.Errorf("%+v, %v", j, err)
	}
}
