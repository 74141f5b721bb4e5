package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/draw"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/report"
	"github.com/fleetfall/fleetfall/scenarios"
	"github.com/fleetfall/fleetfall/vmimages"
)

// A large run: about a thousand hosts in three fleets, and a million events.
const (
	largeHosts = 333 // of each fleet
	largeEnd   = 8_700 * time.Second
	largeBytes = 2_000_000 // of its report at most
	// largeTimes is what its report may take at most, against the time in which encoding/json decodes the journal's lines
	// on one CPU and does nothing with them. On two free CPUs it takes 0.89 to 0.98 times that, 3.6 to 4.0 s.
	largeTimes = 1.25
)

// largeReport makes the report of a large run.
func largeReport(ctx context.Context, scratch string, _ vmimages.Image) (row, error) {
	dir, err := os.MkdirTemp(scratch, "large-")
	if err != nil {
		return row{}, err
	}
	events, err := writeLarge(ctx, filepath.Join(dir, results.JournalFile))
	if err != nil {
		return row{}, err
	}
	decoding, err := decodeLines(filepath.Join(dir, results.JournalFile))
	if err != nil {
		return row{}, err
	}
	start := time.Now()
	if _, err := report.Files(dir); err != nil {
		return row{}, err
	}
	took := time.Since(start)
	page, err := os.Stat(filepath.Join(dir, results.ReportFile))
	if err != nil {
		return row{}, err
	}
	times := ratio(took, decoding)
	return row{
		"report of 999 hosts and a million events, against decoding the journal's lines on one CPU",
		fmt.Sprintf("%.2f x (%.1f s, of %d events; decoding alone %.1f s), %d KB", times, took.Seconds(), events, decoding.Seconds(), page.Size()/1000),
		fmt.Sprintf("at most %g x, under %d KB", largeTimes, largeBytes/1000), held(times <= largeTimes && page.Size() < largeBytes),
	}, os.RemoveAll(dir)
}

// decodeLines decodes each line of a journal as it comes.
func decodeLines(path string) (_ time.Duration, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	start := time.Now()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e results.Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return 0, err
		}
	}
	return time.Since(start), lines.Err()
}

// writeLarge writes the journal of a large run, always the same, and says how many events it has.
func writeLarge(ctx context.Context, path string) (events int, err error) {
	plan, diags := scenarios.LoadFile(ctx, "channel-file-291", scenarios.Options{Vars: map[string]string{
		"hosts": fmt.Sprint(largeHosts), "repeat": "1", "pace": "real",
	}})
	if diags.HasErrors() {
		return 0, diags
	}
	return writeTrials(path, results.Header{RunID: "large", Plan: plan}, orchestrator.Trials(plan, nil))
}

// writeTrials writes the journal of a run that has these trials, and says how many events they have.
func writeTrials(path string, h results.Header, trials []orchestrator.Trial) (events int, err error) {
	h.Started, h.Draws = time.Unix(1721362140, 0).UTC(), draw.ByIndex
	j, err := results.Create(path, h)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	for i, trial := range trials {
		rec, err := j.Trial(i+1, results.TrialHeader{Cell: trial.Cell.ID, Repeat: trial.Repeat, Seed: trial.Seed, Hosts: trial.Hosts})
		if err != nil {
			return 0, err
		}
		l := &large{rec: rec, chance: rand.New(rand.NewPCG(291, uint64(trial.Number)))}
		l.trial(trial)
		if l.err != nil {
			return 0, l.err
		}
		events += l.events
	}
	return events, j.End(results.StatusComplete, "", results.Ending{})
}

// A large trial is being written.
type large struct {
	rec    *results.TrialWriter
	chance *rand.Rand
	events int
	err    error
}

func (l *large) put(at time.Duration, host string, what fleet.Happening) {
	if l.err == nil {
		l.events++
		l.err = l.rec.Event(fleet.Event{At: at, Host: host, What: what})
	}
}

// trial has the hosts beat each ten seconds and meet a threat each thirty. Those of the fleet "kernel" panic soon after the
// injection, and again now and then, until they are back some time later.
func (l *large) trial(t orchestrator.Trial) {
	const beat = 10 * time.Second
	up := fleet.Beat{
		BootID: "0f8fad5b-d9cb-469f-a165-70867728950e", AgentState: "running", WorkUnits: 1, WorkTotal: time.Millisecond,
		WorkMax: time.Millisecond, Loads: []fleet.Load{{What: "exec", Units: 1, Total: time.Millisecond}}, Available: 50 << 20,
	}
	fault := fleet.Panic{Title: "page fault in agentk:criterion_matches", Type: "page_fault", Module: "agentk", Function: "criterion_matches"}
	for _, h := range t.Hosts {
		l.put(0, h.Name, fleet.Booting{Mode: fleet.Normal})
	}
	l.err = errors.Join(l.err, l.rec.Mark(beat, results.MarkReady), l.rec.Mark(2*beat, results.MarkInjected))
	back := make([]time.Duration, len(t.Hosts)) // when each is, once it has panicked
	for at := 2 * beat; at < largeEnd; at += beat {
		for i, h := range t.Hosts {
			hit := t.Cell.Fleet.Name == "kernel" && at > 3*beat
			switch {
			case hit && back[i] == 0:
				back[i] = at + time.Duration(l.chance.Int64N(int64(largeEnd)))
				l.put(at, h.Name, fault)
				l.put(at, h.Name, fleet.Booting{Mode: fleet.Normal})
				continue
			case hit && at < back[i]:
				if l.chance.IntN(12) == 0 {
					l.put(at, h.Name, fault)
					l.put(at, h.Name, fleet.Booting{Mode: fleet.Normal})
				}
				continue
			}
			if at%(3*beat) == 0 {
				kinds := fleet.ThreatKinds()
				l.put(at, h.Name, fleet.Threat{ID: uint64(at / beat), What: kinds[int(at/(3*beat))%len(kinds)], Blocked: true})
			}
			l.put(at, h.Name, up)
		}
	}
	l.err = errors.Join(l.err, l.rec.End(largeEnd, "deadline", ""))
}
