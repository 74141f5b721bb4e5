package results

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/scenarios"
)

func header() Header {
	return Header{RunID: "abc123", Started: time.Unix(1721362140, 0).UTC(), Plan: &scenarios.Plan{Scenario: "s", Deadline: scenarios.Duration(time.Minute)}}
}

// write makes a journal with one event of each kind and returns its path.
func write(t testing.TB) string {
	path := filepath.Join(t.TempDir(), JournalFile)
	w, err := Create(path, header())
	if err != nil {
		t.Fatal(err)
	}
	trial, err := w.Trial(1, TrialHeader{Cell: "c", Seed: 7, Hosts: []fleet.HostSpec{{Name: "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	for i, what := range everything() {
		if err := trial.Event(fleet.Event{At: time.Duration(i), Host: "a", What: what}); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		trial.Mark(100, MarkInjected),
		trial.Action(101, fleet.Serve{Host: "a", Version: 2, Content: []byte("never journalled")}),
		trial.End(102, "settled", ""),
		w.End("complete", "", Ending{Duration: time.Minute, Facts: []Fact{{"load", "1"}}}),
		w.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func everything() []fleet.Happening {
	return []fleet.Happening{
		fleet.Booting{Mode: fleet.Normal}, fleet.Hello{BootID: "x", Uptime: 3}, fleet.Beat{WorkUnits: 2, WorkMax: 4},
		fleet.Threat{ID: 1, Blocked: true}, fleet.Fetched{Version: 2}, fleet.ContentRefused{Version: 2, Reason: "bad signature"},
		fleet.AgentExit{Signal: 11}, fleet.OrderDone{Order: fleet.RemoveContent}, fleet.Panic{Title: "page fault", Excerpt: "<script>\x1b[31m"},
		fleet.Dumped{File: "memory.dump", Error: "no log"},
		fleet.PoweredOff{Reason: "requested"}, fleet.BootFailed{Reason: "r"}, fleet.Garbage{Bytes: 3}, fleet.GuestLog{Text: "hello"},
		fleet.TimerFired{Tag: "tick"}, fleet.InfraFailed{Op: "create", Reason: "no memory"},
	}
}

func TestJournalRoundTrip(t *testing.T) {
	j, err := ReadFile(write(t))
	if err != nil {
		t.Fatal(err)
	}
	want := header()
	want.Schema = Schema
	if diff := cmp.Diff(want, j.Header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	if j.Status != "complete" || j.Ending == nil || j.Ending.Duration != time.Minute || len(j.Trials) != 1 {
		t.Fatalf("journal %+v", j)
	}
	trial := j.Trials[0]
	var got []fleet.Happening
	for _, e := range trial.Events {
		got = append(got, e.What)
	}
	if diff := cmp.Diff(everything(), got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	decided := []Decision{
		{At: 100, Events: len(got), Mark: MarkInjected},
		{At: 101, Events: len(got), Action: fleet.Serve{Host: "a", Version: 2}}, // the content is not in the journal
	}
	if diff := cmp.Diff(decided, trial.Decisions); diff != "" {
		t.Errorf("decisions (-want +got):\n%s", diff)
	}
	if trial.Status != "settled" || trial.End != 102 || trial.Marks[MarkInjected] != 100 || trial.Seed != 7 {
		t.Errorf("trial %+v", trial)
	}
}

// TestSteps: events and decisions come back in the order in which they were written.
func TestSteps(t *testing.T) {
	path := filepath.Join(t.TempDir(), JournalFile)
	w, err := Create(path, header())
	if err != nil {
		t.Fatal(err)
	}
	trial, err := w.Trial(1, TrialHeader{Cell: "c"})
	event := func(at time.Duration, host string, what fleet.Happening) error {
		return trial.Event(fleet.Event{At: at, Host: host, What: what})
	}
	if err := errors.Join(err,
		trial.Action(0, fleet.Reset{Host: "a"}), trial.Action(0, fleet.Reset{Host: "b"}), event(1, "b", fleet.Fetched{Version: 2}),
		trial.Mark(1, MarkReady), event(1, "", fleet.TimerFired{Tag: "t"}), event(2, "a", fleet.Fetched{Version: 3}),
		trial.Action(2, fleet.Reset{Host: "b"}), w.Close(),
	); err != nil {
		t.Fatal(err)
	}
	j, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []Step{
		{Host: "a", Action: fleet.Reset{Host: "a"}}, {Host: "b", Action: fleet.Reset{Host: "b"}},
		{At: 1, Host: "b", Event: fleet.Fetched{Version: 2}}, {At: 1, Mark: MarkReady}, {At: 1, Event: fleet.TimerFired{Tag: "t"}},
		{At: 2, Host: "a", Event: fleet.Fetched{Version: 3}}, {At: 2, Host: "b", Action: fleet.Reset{Host: "b"}},
	}
	if diff := cmp.Diff(want, j.Trials[0].Steps()); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestBrokenOffJournalIsReadUpToItsLastWholeLine(t *testing.T) {
	data, err := os.ReadFile(write(t))
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.IndexByte(data, '\n') + 1
	for n := first; n < len(data); n++ {
		j, err := Read(bytes.NewReader(data[:n]))
		if err != nil {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		if j.Status != "interrupted" {
			t.Fatalf("after %d bytes: status %q", n, j.Status)
		}
	}
	if _, err := Read(bytes.NewReader(data[:first-1])); err == nil {
		t.Error("a journal without one whole line was read")
	}
}

func TestDamagedJournalNamesTheLine(t *testing.T) {
	data, err := os.ReadFile(write(t))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(data), "\n")
	for name, edit := range map[string]func() string{
		"line 3: damaged":                        func() string { return lines[0] + lines[1] + "{\x00\n" + lines[3] },
		"line 2: a journal begins":               func() string { return lines[0] + lines[0] },
		"line 1: a journal begins":               func() string { return lines[1] },
		"line 2: event of trial 1, which has":    func() string { return lines[0] + lines[2] },
		"line 3: trial 1 begins twice":           func() string { return lines[0] + lines[1] + lines[1] },
		"line 4: event of trial 1 at 0s, after":  func() string { return lines[0] + lines[1] + lines[3] + lines[2] },
		`line 3: unknown kind of event "sneeze"`: func() string { return lines[0] + lines[1] + strings.Replace(lines[2], "booting", "sneeze", 1) },
		"line 1: journal schema 99":              func() string { return strings.Replace(lines[0], `"schema":1`, `"schema":99`, 1) },
	} {
		if _, err := Read(strings.NewReader(edit())); err == nil || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("error %q, want one that begins with %q", err, name)
		}
	}
}

func TestJournalExists(t *testing.T) {
	path := write(t)
	var je *JournalError
	if _, err := Create(path, header()); !errors.As(err, &je) || !errors.Is(err, os.ErrExist) {
		t.Errorf("a second journal at one path: %v", err)
	}
}

// TestDiskFull writes to a file system that is full.
func TestDiskFull(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	w := newWriter("/dev/full", f)
	for err == nil {
		err = w.Append(Entry{Kind: KindEvent, What: "beat"}, fleet.Beat{})
	}
	var je *JournalError
	if !errors.As(err, &je) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("append on a full disk: %v, want a JournalError of ENOSPC", err)
	}
	if err := w.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("close on a full disk: %v", err)
	}
}

func TestConcurrentTrials(t *testing.T) {
	path := filepath.Join(t.TempDir(), JournalFile)
	w, err := Create(path, header())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for n := 1; n <= 4; n++ {
		wg.Go(func() {
			trial, err := w.Trial(n, TrialHeader{Cell: fmt.Sprint(n)})
			for i := range 500 {
				if err == nil {
					err = trial.Event(fleet.Event{At: time.Duration(i), Host: "a", What: fleet.Beat{}})
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	j, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, trial := range j.Trials {
		if len(trial.Events) != 500 {
			t.Errorf("trial %d has %d events, want 500", trial.Number, len(trial.Events))
		}
	}
}

func FuzzRead(f *testing.F) {
	data, err := os.ReadFile(write(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	again, err := os.ReadFile(resumed(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(again)
	f.Add([]byte(`{"k":"run","data":{"schema":1,"plan":{}}}` + "\n" + `{"k":"trial","trial":1,"data":{}}` + "\n" + `{"k":"event","trial":1,"at":-5,"what":"beat","data":null}` + "\n"))
	f.Add([]byte(`{"k":"run","data":{"schema":1,"plan":{}}}` + "\n" + `{"k":"run_end","data":null}` + "\n" + `{"k":"resume","data":null}` + "\n"))
	f.Add([]byte("\n\n{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		j, size, err := readWhole(bytes.NewReader(data))
		if err != nil {
			return
		}
		if j.Plan == nil {
			t.Error("a journal without a plan was read")
		}
		if size > int64(len(data)) || data[size-1] != '\n' || bytes.IndexByte(data[size:], '\n') >= 0 {
			t.Errorf("%d of %d bytes are said to be whole lines", size, len(data))
		}
	})
}
