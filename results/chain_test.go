package results

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

var sums = regexp.MustCompile(`(,"trials":\[[^\]]*\])?,"sum":"[0-9a-f]{16}"}`)

// withoutSums is the journal at path as a fleetfall from before wrote it.
func withoutSums(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(sums.ReplaceAllString(string(data), "}"), `"schema":3`, `"schema":1`, 1)
}

// anew is a journal with the sums that its lines ought to have: what somebody would write who means to deceive.
func anew(t testing.TB, lines ...string) string {
	t.Helper()
	c := newChains(journalSchema, 1)
	var b strings.Builder
	for _, line := range lines {
		line = strings.TrimSuffix(line, "\n")
		kind := Kind(regexp.MustCompile(`^{"k":"([a-z_]*)"`).FindStringSubmatch(line)[1])
		trial := 0
		if kind != KindRun && kind != KindResume && kind != KindRunEnd {
			trial = len(c.trials)
		}
		if kind == KindTrial {
			trial++
		}
		covered, _, err := cutSum([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		sum, err := c.next(kind, trial, covered)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(appendSum(bytes.Clone(covered), sum))
		b.WriteByte('\n')
	}
	return b.String()
}

func linesOf(t testing.TB, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(data), "\n")
	return lines[:len(lines)-1]
}

// TestTrialIsASegment: the lines of a trial have the same sums under another number and in another run, and a journal
// that they are moved into is whole.
func TestTrialIsASegment(t *testing.T) {
	of := func(cells ...string) []string {
		var all []attempt
		for _, cell := range cells {
			all = append(all, attempt{cell: cell, status: "settled"})
		}
		return linesOf(t, unfinished(t, "", all...))
	}
	first, other := of("a", "b"), of("b", "a")
	moved := strings.Join(first[4:7], "")
	if moved = strings.ReplaceAll(moved, `"trial":2`, `"trial":1`); moved != strings.Join(other[1:4], "") {
		t.Errorf("the same trial is, as the second and as the first of a run:\n%s\n%s", moved, strings.Join(other[1:4], ""))
	}
	j, err := Read(strings.NewReader(first[0] + moved))
	if err != nil || len(j.Trials) != 1 || j.Trials[0].Cell != "b" || j.Unchecked {
		t.Errorf("%+v, %v", j, err)
	}
}

// TestWhatChainsTell: each damage is an error that says where it is, what it is, and what is whole.
func TestWhatChainsTell(t *testing.T) {
	path := unfinished(t, StatusInterrupted, attempt{cell: "a", status: "settled"}, attempt{cell: "b", status: "deadline"}, attempt{cell: "c", status: "settled"})
	l := linesOf(t, path) // header, three trials of three lines, end
	other := linesOf(t, unfinished(t, StatusInterrupted, attempt{cell: "a", repeat: 1, status: "settled"}))
	const wrong, noSum = "damaged: its checksum is not that of", "damaged: it does not end in a checksum"
	const oneWhole, twoWhole = "; trial 1 is whole: the first 4 lines, copied", "; trials 1 to 2 are whole: the first 7 lines"
	in := func(lines ...string) string { return strings.Join(lines, "") }
	for name, c := range map[string]struct{ journal, line, what, whole string }{
		"a changed time":      {strings.Replace(in(l...), `"trial":2,"at":5`, `"trial":2,"at":6`, 1), "line 6: ", wrong, oneWhole},
		"a changed sum":       {in(l[0], l[1], l[2][:len(l[2])-4]+"x\"}\n", l[3]), "line 3: ", wrong, "; no trial before it is whole"},
		"a changed trial":     {strings.Replace(in(l...), `"trial":2,"at":5`, `"trial":1,"at":5`, 1), "line 6: ", "mark of trial 1, which was over", oneWhole},
		"no sum":              {in(l[0], `{"k":"trial","trial":1,"data":{}}`+"\n"), "line 2: ", noSum, "; no trial"},
		"no sums, new schema": {strings.Replace(withoutSums(t, path), `"schema":1`, `"schema":3`, 1), "line 1: ", noSum, "; no trial"},
		"sums, old schema":    {strings.Replace(in(l...), `"schema":3`, `"schema":1`, 1), "line 1: ", "a journal of schema 1 has none", "; no trial"},
		"a line twice":        {in(l[0], l[1], l[2], l[2], l[3]), "line 4: ", wrong, "; no trial"},
		"a line missing":      {in(l[0], l[1], l[3]), "line 3: ", wrong, "; no trial"},
		"a trial's end":       {in(l[0], l[1], l[2], l[4]), "line 4: ", "trial 2 begins, and trial 1 has no end", "; no trial"},
		"the last one's end":  {in(in(l[:9]...), l[10]), "line 10: ", "damaged: trial 3 is not the one that was recorded", twoWhole},
		"a trial missing":     {in(in(l[:4]...), in(l[7:]...)), "line 5: ", "trial 3 begins where trial 2 was to begin", oneWhole},
		"the last trial":      {in(in(l[:7]...), l[10]), "line 8: ", "damaged: trial 3 is not", twoWhole},
		"a trial twice":       {in(in(l[:7]...), in(l[4:7]...)), "line 8: ", "trial 2 begins twice", twoWhole},
		"trials swapped":      {in(l[0], in(l[4:7]...), in(l[1:4]...)), "line 2: ", "trial 2 begins where trial 1", "; no trial"},
		"another's trial":     {in(l[0], in(other[1:4]...), in(l[4:]...)), "line 11: ", "damaged: trial 1 is not", "; no trial"},
		"another's header":    {in(strings.Replace(l[0], "abc123", "abc124", 1), in(l[1:]...)), "line 1: ", wrong, "; no trial"},
		"another's end":       {in(in(l[:10]...), other[4]), "line 11: ", "damaged: trial 1 is not", "; no trial"},
		"another newline":     {in(l...)[:len(in(l...))-1] + "*", "line 11: ", "damaged: it does not end in a newline", "; trials"},
	} {
		_, err := Read(strings.NewReader(c.journal))
		if err == nil || !strings.HasPrefix(err.Error(), c.line) || !strings.Contains(err.Error(), c.what) || !strings.Contains(err.Error(), c.whole) {
			t.Errorf("%s: %v\nwant %s … %s … %s", name, err, c.line, c.what, c.whole)
		}
	}
	if j, err := Read(strings.NewReader(anew(t, l...))); err != nil || j.Unchecked {
		t.Errorf("sums that are computed again: %v", err)
	}
}

// TestUsableLines: what the error says is whole can be read by itself.
func TestUsableLines(t *testing.T) {
	l := linesOf(t, unfinished(t, "", attempt{cell: "a", status: "settled"}, attempt{cell: "b", status: "settled"}))
	j, err := Read(strings.NewReader(strings.Join(l[:4], "")))
	if err != nil || len(j.Trials) != 1 || !j.Trials[0].Counts() || j.Status != StatusInterrupted {
		t.Errorf("%+v, %v", j, err)
	}
}

// TestJournalWithoutSums is read, says so, and goes on as it began.
func TestJournalWithoutSums(t *testing.T) {
	path := unfinished(t, "", attempt{cell: "a", status: "settled"}, attempt{cell: "b"})
	old := withoutSums(t, path)
	if strings.Contains(old, `"sum"`) {
		t.Fatal(old)
	}
	if err := os.WriteFile(path, []byte(old), 0o644); err != nil {
		t.Fatal(err)
	}
	w, j, err := Resume(path)
	if err != nil {
		t.Fatal(err)
	}
	if !j.Unchecked {
		t.Error("it does not say that its entries carry no checksums")
	}
	if err := errors.Join(w.GoOn(Resumption{}), w.End(StatusComplete, "", Ending{}), w.Close()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(data, []byte(old)) || bytes.Contains(data, []byte(`"sum"`)) {
		t.Errorf("it goes on as %s, %v", data, err)
	}
	if j, err := ReadFile(path); err != nil || j.Status != StatusComplete || !j.Unchecked {
		t.Errorf("%+v, %v", j, err)
	}
}

// TestWriterKeepsTheOrder: what cannot be read is not written.
func TestWriterKeepsTheOrder(t *testing.T) {
	path := unfinished(t, "", attempt{cell: "a", status: "settled"})
	w, _, err := Resume(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Trial(1, TrialHeader{}); err == nil {
		t.Error("a trial begins twice")
	}
	if _, err := w.Trial(3, TrialHeader{}); err == nil {
		t.Error("a trial is left out")
	}
	if err := w.Append(Entry{Kind: KindMark, Trial: 1, What: MarkInjected}, nil); err == nil {
		t.Error("a trial goes on behind its end")
	}
	if _, err := w.Trial(2, TrialHeader{Cell: "b", Hosts: hosts()}); err != nil {
		t.Error(err)
	}
	if _, err := w.Trial(3, TrialHeader{}); err == nil {
		t.Error("two trials are under way")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err != nil {
		t.Error(err)
	}
}

// nowhere is a disk that is always ready.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) Sync() error                 { return nil }
func (nowhere) Close() error                { return nil }

// BenchmarkAppend is an entry's cost without the disk's, with checksums and without.
func BenchmarkAppend(b *testing.B) {
	beat := fleet.Beat{BootID: "1c1b6e0e-3f4a-4c53-9df0-3f8f3a0f3a51", AgentState: "running", ContentVersion: 11, WorkUnits: 3,
		WorkMax: 4 * time.Millisecond, WorkTotal: 9 * time.Millisecond, Uptime: time.Minute, Available: 51 << 20, RunDelay: time.Millisecond,
		Loads: []fleet.Load{{What: "exec", Units: 1, Total: 3e6}, {What: "open", Units: 1, Total: 1e6}, {What: "read", Units: 1, Total: 5e6}}}
	for name, schema := range map[string]int{"sums": journalSchema, "none": journalWithoutSums} {
		b.Run(name, func(b *testing.B) {
			w := newWriter("nowhere", nowhere{}, newChains(schema, 1), 0)
			trial, err := w.Trial(1, TrialHeader{})
			for b.Loop() {
				err = errors.Join(err, trial.Event(fleet.Event{At: time.Minute, Host: "kernel-01", What: beat}))
			}
			if err := errors.Join(err, w.Close()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
