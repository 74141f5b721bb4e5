package results

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// attempt is one trial of a journal under test.
type attempt struct {
	cell         string
	repeat, wave int
	attempt      int
	status       string // "" for a trial that has no end
}

// unfinished leaves a journal with these trials, ended as status, or not at all if that is empty.
func unfinished(t testing.TB, status string, attempts ...attempt) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), JournalFile)
	w, err := Create(path, header())
	if err != nil {
		t.Fatal(err)
	}
	appendTrials(t, w, 1, attempts...)
	if status != "" {
		err = w.End(status, "for the test", Ending{Duration: time.Minute})
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func appendTrials(t testing.TB, w *Writer, number int, attempts ...attempt) {
	t.Helper()
	for i, a := range attempts {
		h := TrialHeader{Cell: a.cell, Repeat: a.repeat, Wave: a.wave, Attempt: a.attempt, Hosts: hosts()}
		if i > 0 && attempts[i-1].status == "" { // only a resumed run goes on behind a trial without an end
			if err := w.GoOn(Resumption{}); err != nil {
				t.Fatal(err)
			}
		}
		if h.Wave > 0 {
			h.Waves = 2
		}
		trial, err := w.Trial(number+i, h)
		if err == nil {
			err = trial.Mark(5, MarkReady)
		}
		if err == nil && a.status != "" {
			err = trial.End(9, a.status, "")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// resumed leaves a journal that was taken up again and came to its end.
func resumed(t testing.TB) string {
	t.Helper()
	path := unfinished(t, "", attempt{cell: "a", status: "settled"}, attempt{cell: "b"})
	w, _, err := Resume(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.GoOn(Resumption{Started: time.Unix(1721365740, 0).UTC()}); err != nil {
		t.Fatal(err)
	}
	appendTrials(t, w, 3, attempt{cell: "b", status: "invalid"}, attempt{cell: "b", attempt: 2, status: "settled"})
	if err := errors.Join(w.End(StatusComplete, "", Ending{Duration: time.Second}), w.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestResume(t *testing.T) {
	j, err := ReadFile(resumed(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(j.Resumed) != 1 || j.Status != StatusComplete || j.Took != time.Second {
		t.Errorf("resumed %+v, status %s, took %s", j.Resumed, j.Status, j.Took)
	}
	var superseded []bool
	for _, trial := range j.Trials {
		superseded = append(superseded, trial.Superseded)
	}
	if want := []bool{false, true, true, false}; !slices.Equal(superseded, want) {
		t.Errorf("superseded %v, want %v", superseded, want)
	}
}

func TestTrialThatCountsIsNeverSuperseded(t *testing.T) {
	for _, status := range []string{"settled", "deadline"} {
		j, err := ReadFile(unfinished(t, "", attempt{cell: "a", status: status}, attempt{cell: "a", status: "invalid"}))
		if err != nil {
			t.Fatal(err)
		}
		if j.Trials[0].Superseded {
			t.Errorf("a trial that ended %s is superseded by what was run in its place", status)
		}
		_, err = ReadFile(unfinished(t, "", attempt{cell: "a", status: status}, attempt{cell: "a", status: "settled"}))
		if want := "trial 2 came to an end that counts, and so did trial 1"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("two trials that count in one place: %v, want %q", err, want)
		}
	}
}

func TestResumeCutsOffWhatWasNotWhollyWritten(t *testing.T) {
	for _, status := range []string{"", StatusInterrupted, StatusFailed} {
		path := unfinished(t, status, attempt{cell: "a", status: "settled"}, attempt{cell: "b"})
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(slices.Clip(whole), `{"k":"event","tr`...), 0o644); err != nil {
			t.Fatal(err)
		}
		w, j, err := Resume(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(j.Trials) != 2 || !j.Finished("a", 0, 0, false) || j.Finished("b", 0, 0, false) {
			t.Errorf("trials %+v", j.Trials)
		}
		if err := errors.Join(w.GoOn(Resumption{}), w.Close()); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if rest, ok := bytes.CutPrefix(data, whole); !ok || !bytes.HasPrefix(rest, []byte(`{"k":"resume"`)) {
			t.Errorf("status %q: the journal goes on with %q", status, rest)
		}
		if j, err := ReadFile(path); err != nil || j.Status != StatusInterrupted || len(j.Resumed) != 1 || j.Ending != nil {
			t.Errorf("status %q: %v, %+v", status, err, j)
		}
	}
}

func TestResumeRefuses(t *testing.T) {
	complete := write(t)
	before, err := os.ReadFile(complete)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Resume(complete); !errors.Is(err, ErrComplete) || !strings.Contains(err.Error(), complete) {
		t.Errorf("a complete run: %v", err)
	}
	if after, err := os.ReadFile(complete); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the journal of a complete run was changed: %v", err)
	}

	path := filepath.Join(t.TempDir(), JournalFile)
	w, err := Create(path, header())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Resume(path); !errors.Is(err, ErrWriting) {
		t.Errorf("a run that still runs: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	first, _, err := Resume(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Resume(path); !errors.Is(err, ErrWriting) {
		t.Errorf("a run that was resumed and still runs: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Resume(filepath.Join(t.TempDir(), "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no journal: %v", err)
	}
}

func TestEntriesAfterTheEnd(t *testing.T) {
	data := withoutSums(t, unfinished(t, StatusInterrupted, attempt{cell: "a"}))
	complete := withoutSums(t, unfinished(t, StatusComplete))
	const resume = `{"k":"resume","data":{}}` + "\n"
	for text, want := range map[string]string{
		data + `{"k":"trial","trial":2,"data":{}}` + "\n":           "line 5: trial after the end of the run",
		data + `{"k":"run_end","what":"complete","data":{}}` + "\n": "line 5: run_end after the end of the run",
		data + resume + `{"k":"mark","trial":1,"at":9}` + "\n":      "line 6: mark of trial 1, which was over",
		data + resume + `{"k":"trial","trial":1,"data":{}}` + "\n":  "line 6: trial 1 begins twice",
		data + resume + `{"k":"trial","trial":3,"data":{}}` + "\n":  "line 6: trial 3 begins where trial 2",
		data + `{"k":"resume","data":7}` + "\n":                     "line 5: resumption",
		complete + resume:                                           "line 3: a complete run is resumed",
	} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %q, want one that begins with %q", err, want)
		}
	}
}

func TestFinished(t *testing.T) {
	for _, c := range []struct {
		name     string
		attempts []attempt
		finished bool
		attempt  int
	}{
		{"never begun", nil, false, 0},
		{"settled", []attempt{{status: "settled"}}, true, 0},
		{"deadline", []attempt{{status: "deadline"}}, true, 0},
		{"killed", []attempt{{}}, false, 0},
		{"interrupted", []attempt{{status: "interrupted"}}, false, 0},
		{"invalid once", []attempt{{status: "invalid"}}, false, 2},
		{"invalid twice", []attempt{{status: "invalid"}, {attempt: 2, status: "invalid"}}, true, 2},
		{"killed in its second attempt", []attempt{{status: "invalid"}, {attempt: 2}}, false, 2},
		{"run again after a kill", []attempt{{}, {status: "settled"}}, true, 0},
		{"another repeat", []attempt{{repeat: 1, status: "settled"}}, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := range c.attempts {
				c.attempts[i].cell = "c"
			}
			j, err := ReadFile(unfinished(t, "", c.attempts...))
			if err != nil {
				t.Fatal(err)
			}
			if got := j.Finished("c", 0, 0, false); got != c.finished {
				t.Errorf("finished is %v, want %v", got, c.finished)
			}
			if got := j.Attempt("c", 0, 0, false); got != c.attempt {
				t.Errorf("the next attempt is %d, want %d", got, c.attempt)
			}
		})
	}
	j, err := ReadFile(unfinished(t, "", attempt{cell: "w", wave: 1, status: "settled"}))
	if err != nil {
		t.Fatal(err)
	}
	if !j.Finished("w", 0, 1, false) || j.Finished("w", 0, 2, false) {
		t.Error("the second wave is taken for the first")
	}
}
