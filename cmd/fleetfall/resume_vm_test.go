package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/results"
)

// TestResume cuts a run off in the middle of its second trial, twice, and goes on with it each time. Its trials are run one
// after the other.
func TestResume(t *testing.T) {
	capability.VMs(t)
	for name, signals := range map[string][]syscall.Signal{
		"killed, then interrupted": {syscall.SIGKILL, syscall.SIGINT},
		"interrupted, then killed": {syscall.SIGINT, syscall.SIGKILL},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, "", "--at-once", "1")
			names := []string{""} // that its parts have in those of their machines; the first part has the run's ID
			var before []byte
			consoles := map[string][]byte{}
			for i, signal := range signals {
				cutOff(p, signal)
				before = p.read(results.JournalFile)
				for path, text := range readConsoles(t, p.dir) {
					// The second trial's place is taken by the third, and that one's by the fourth.
					path = strings.Replace(path, "kernel_bad_everyone_technician-0/", fmt.Sprintf("kernel_bad_everyone_technician-0-trial%d/", 2+i), 1)
					if _, known := consoles[path]; !known {
						consoles[path] = text
					}
				}
				p = startRun(t, p.dir, "--resume", "latest", "--at-once", "1")
				if err := p.until(saysDaemon, func() bool { return strings.Contains(p.stderr.String(), saysDaemon) }); err != nil {
					t.Fatal(err)
				}
				names = append(names, saysNames.FindStringSubmatch(p.stderr.String())[1])
			}
			p.expect(exitMet)
			if said := p.stderr.String(); !strings.Contains(said, "skipping 1 of 3 trials that are finished") {
				t.Errorf("it does not say what it skips:\n%s", said)
			}
			expectResumed(t, p, before, len(signals))
			now := readConsoles(t, p.dir)
			for path, text := range consoles {
				if !bytes.Equal(now[path], text) {
					t.Errorf("console %s had %d bytes and has %d", path, len(text), len(now[path]))
				}
			}
			if len(now) != len(consoles)+2 {
				t.Errorf("%d consoles, want the %d of the trials so far and two more", len(now), len(consoles))
			}

			whole := p.read(results.JournalFile)
			again := startRun(t, p.dir, "--resume", "latest")
			again.expect(exitUsage)
			if !strings.Contains(again.stderr.String(), "the run is complete") {
				t.Errorf("it does not say why it does not go on:\n%s", again.stderr.String())
			}
			if !bytes.Equal(whole, p.read(results.JournalFile)) {
				t.Error("the journal of a complete run was changed")
			}

			if out, err := exec.Command("fleetfall", "gc").CombinedOutput(); err != nil {
				t.Errorf("gc: %v\n%s", err, out)
			}
			names[0] = p.runID()
			for _, name := range names {
				expectNothingOf(t, name)
			}
		})
	}
}

// TestResumeSideBySide kills a run of which all trials are under way: all of them are run again, and each counts once.
func TestResumeSideBySide(t *testing.T) {
	t.Parallel()
	p := start(t, "", "--clock", "virtual", "--at-once", "3")
	p.await(`"trial","trial":3`)
	cutOff(p, syscall.SIGKILL)
	first := p.runID()
	cut := 0
	for _, trial := range p.journal().Trials {
		if trial.Status == orchestrator.Interrupted {
			cut++
		}
	}
	p = startRun(t, p.dir, "--resume", "latest", "--at-once", "3")
	p.expect(exitMet)
	j, counted := p.journal(), 0
	for _, trial := range j.Trials {
		if trial.Counts() {
			counted++
		}
	}
	if cut < 2 || counted != 3 || len(j.Trials) != 3+cut || j.Status != results.StatusComplete {
		t.Errorf("%d of %d trials count, %d were cut off, and the run is %s", counted, len(j.Trials), cut, j.Status)
	}
	if out, err := exec.Command("fleetfall", "gc").CombinedOutput(); err != nil {
		t.Errorf("gc: %v\n%s", err, out)
	}
	expectNothingOf(t, first)
	expectNothingOf(t, saysNames.FindStringSubmatch(p.stderr.String())[1])
}

var saysNames = regexp.MustCompile(`its machines are named for ([a-z0-9]+) from here on`)

// cutOff ends a run by a signal when a host of the trial with which it began, or of the next one, has panicked.
func cutOff(p *process, signal syscall.Signal) {
	p.t.Helper()
	panics := func() int {
		data, err := os.ReadFile(filepath.Join(p.dir, "latest", results.JournalFile))
		if err != nil {
			return 0 // not yet
		}
		return bytes.Count(data, []byte(`"what":"panic"`))
	}
	before := panics()
	if err := p.until("a host panics", func() bool { return panics() > before }); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
	if signal == syscall.SIGKILL {
		p.expect(-1)
	} else {
		p.expect(exitInterrupted)
	}
}

// expectResumed looks at a complete run that was cut off in its second trial some times, for the last time when its
// journal was as before.
func expectResumed(t *testing.T, p *process, before []byte, times int) {
	t.Helper()
	before = before[:bytes.LastIndexByte(before, '\n')+1]
	after, ok := bytes.CutPrefix(p.read(results.JournalFile), before)
	if !ok {
		t.Error("what was in the journal is not as it was")
	}
	for line := range bytes.Lines(after) {
		var e results.Entry
		if err := json.Unmarshal(line, &e); err != nil || e.Trial > 0 && e.Trial < 2+times {
			t.Errorf("after the run was resumed the journal has %s, %v", line, err)
		}
	}
	j := p.journal()
	if j.Status != results.StatusComplete || len(j.Resumed) != times {
		t.Errorf("the run is %s and was resumed %d times, want %d", j.Status, len(j.Resumed), times)
	}
	type place struct {
		cell   string
		repeat int
	}
	finished := map[place]int{}
	for _, trial := range j.Trials {
		at := place{trial.Cell, trial.Repeat}
		switch {
		case trial.Status == orchestrator.Settled:
			finished[at]++
		case trial.Status != orchestrator.Interrupted || !trial.Superseded || at.cell != j.Plan.Cells[1].ID:
			t.Errorf("trial %d of %v is %s, superseded %v", trial.Number, at, trial.Status, trial.Superseded)
		}
	}
	for _, cell := range j.Plan.Cells {
		if n := finished[place{cell.ID, 0}]; n != 1 {
			t.Errorf("cell %s has %d finished trials, want one", cell.ID, n)
		}
	}
	if len(j.Trials) != len(j.Plan.Cells)+times {
		t.Errorf("%d trials, want one of each cell and %d that were cut off", len(j.Trials), times)
	}
	r := p.results()
	if r.Run.Status != results.StatusComplete || len(r.Run.Resumed) != times || r.Verdict != results.Met {
		t.Errorf("results: %+v, %s", r.Run, r.Verdict)
	}
	for _, c := range r.Cells {
		if c.Repeats != 1 || c.Invalid != 0 || len(c.HostsDetail) != 1 {
			t.Errorf("results of %s: %d repeats, %d invalid samples, hosts %+v", c.ID, c.Repeats, c.Invalid, c.HostsDetail)
		}
	}
	for name, text := range map[string]string{
		"terminal": p.stdout.String(), "report": string(p.read(results.ReportFile)), "summary": string(p.read(results.SummaryFile)),
	} {
		unbroken := strings.Join(strings.Fields(text), " ")
		if n := strings.Count(unbroken, "The run was taken up again on"); n != times {
			t.Errorf("the %s says %d times that the run was resumed, want %d", name, n, times)
		}
	}
}

// readConsoles reads the consoles of the latest run, by their paths below the folder of hosts.
func readConsoles(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	hosts := os.DirFS(filepath.Join(dir, "latest", results.HostsDir))
	err := fs.WalkDir(hosts, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found[path], err = fs.ReadFile(hosts, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
