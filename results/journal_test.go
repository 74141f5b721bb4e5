package results

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/scenarios"
)

// header is that of a run of cells a, b and c of one host each, and of w, whose two hosts are run in two waves.
func header() Header {
	plan := &scenarios.Plan{
		Scenario: "s", Deadline: scenarios.Duration(time.Minute), Repeat: 2, Backend: "libvirt", StableFor: scenarios.Duration(time.Second),
		Liveness: scenarios.Duration(10 * time.Second), Latency: scenarios.Duration(time.Second),
		Tempo: scenarios.Tempo{Beat: 1, Poll: 1, Work: 1, Threat: 1},
	}
	for _, id := range []string{"a", "b", "c", "w"} {
		plan.Cells = append(plan.Cells, scenarios.Cell{ID: id, Fleet: scenarios.Fleet{Name: "f", Architecture: "kernel", Hosts: 1}})
	}
	plan.Cells[3].Fleet.Hosts = 2
	return Header{RunID: "abc123", Started: time.Unix(1721362140, 0).UTC(), Plan: plan, Waves: map[string]int{"w": 2}}
}

// hosts are those of any trial of that run.
func hosts() []fleet.HostSpec { return []fleet.HostSpec{{Name: "a", Architecture: "kernel"}} }

// write makes a journal with one event of each kind and returns its path.
func write(t testing.TB) string {
	path := filepath.Join(t.TempDir(), JournalFile)
	w, err := Create(path, header())
	if err != nil {
		t.Fatal(err)
	}
	trial, err := w.Trial(1, TrialHeader{Cell: "c", Seed: 7, Hosts: hosts()})
	if err != nil {
		t.Fatal(err)
	}
	for i, what := range everything() {
		host := "a"
		if _, ok := what.(fleet.TimerFired); ok {
			host = ""
		}
		if err := trial.Event(fleet.Event{At: time.Duration(i), Host: host, What: what}); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		trial.Mark(100, MarkInjected),
		trial.Action(101, fleet.Offer(2, []byte("never journalled")).To("a")),
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
		fleet.AgentExit{Signal: 11}, fleet.OrderDone{ID: 1, Order: fleet.RemoveContent}, fleet.Panic{Title: "page fault", Excerpt: "<script>\x1b[31m"},
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
	want.Schema = journalSchema
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
	served := fleet.Offer(2, []byte("never journalled")).To("a")
	served.Content = nil // it is not in the journal
	decided := []Decision{
		{At: 100, Events: len(got), Mark: MarkInjected},
		{At: 101, Events: len(got), Action: served},
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
	spec := hosts()[0]
	spec.Name = "b"
	trial, err := w.Trial(1, TrialHeader{Cell: "w", Wave: 1, Waves: 2, Hosts: []fleet.HostSpec{spec}})
	event := func(at time.Duration, host string, what fleet.Happening) error {
		return trial.Event(fleet.Event{At: at, Host: host, What: what})
	}
	if err := errors.Join(err,
		trial.Action(0, fleet.Boot{Host: "b"}), trial.Action(0, fleet.Reset{Host: "b"}), event(1, "b", fleet.Fetched{Version: 2}),
		trial.Mark(1, MarkReady), event(1, "", fleet.TimerFired{Tag: "t"}), event(2, "b", fleet.Fetched{Version: 3}),
		trial.Action(2, fleet.Reset{Host: "b"}), w.Close(),
	); err != nil {
		t.Fatal(err)
	}
	j, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []Step{
		{Host: "b", Action: fleet.Boot{Host: "b"}}, {Host: "b", Action: fleet.Reset{Host: "b"}},
		{At: 1, Host: "b", Event: fleet.Fetched{Version: 2}}, {At: 1, Mark: MarkReady}, {At: 1, Event: fleet.TimerFired{Tag: "t"}},
		{At: 2, Host: "b", Event: fleet.Fetched{Version: 3}}, {At: 2, Host: "b", Action: fleet.Reset{Host: "b"}},
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
	w := newWriter("/dev/full", f, newChains(journalSchema, 1), 0)
	_, err = w.Trial(1, TrialHeader{})
	for err == nil {
		err = w.Append(Entry{Kind: KindEvent, Trial: 1, What: "beat"}, fleet.Beat{})
	}
	var je *JournalError
	if !errors.As(err, &je) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("append on a full disk: %v, want a JournalError of ENOSPC", err)
	}
	if err := w.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("close on a full disk: %v", err)
	}
}

// TestConcurrentWriters: whichever of two entries comes first, the chain follows.
func TestConcurrentWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), JournalFile)
	w, err := Create(path, header())
	if err != nil {
		t.Fatal(err)
	}
	trial, err := w.Trial(1, TrialHeader{Cell: "c", Hosts: hosts()})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				if err := trial.Event(fleet.Event{Host: "a", What: fleet.Fetched{}}); err != nil {
					t.Error(err)
				}
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
	if n := len(j.Trials[0].Events); n != 2000 {
		t.Errorf("the trial has %d events, want 2000", n)
	}
}

func FuzzRead(f *testing.F) {
	for _, path := range []string{write(f), resumed(f), unfinished(f, StatusFailed, attempt{cell: "w", wave: 1, status: "deadline"})} {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add([]byte(withoutSums(f, path)))
	}
	f.Add([]byte(`{"k":"run","data":{"schema":1,"plan":{}}}` + "\n" + `{"k":"trial","trial":1,"data":{}}` + "\n"))
	f.Add([]byte(`{"k":"run","data":null}` + "\n" + `{"k":"run_end","data":null}` + "\n" + `{"k":"resume","data":null}` + "\n"))
	f.Add([]byte("\n\n{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rd, size, err := readWhole(bytes.NewReader(data))
		if err != nil {
			return
		}
		if err := rd.journal.Plan.Check(); err != nil {
			t.Errorf("a journal was read with a plan that is none: %v", err)
		}
		if size > int64(len(data)) || data[size-1] != '\n' || bytes.IndexByte(data[size:], '\n') >= 0 {
			t.Errorf("%d of %d bytes are said to be whole lines", size, len(data))
		}
	})
}
