package orchestrator

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/draw"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/scenarios"
)

// How long a fleet may take to be ready: what any fleet gets, and what each of its hosts adds. On two emulated cores a
// cold boot takes some three seconds of a core, and hosts are judged only after that.
const (
	readyWithin     = 5 * time.Minute
	readyWithinHost = 5 * time.Second
)

// A Trial is one repeat of one cell, or of one part of its fleet, ready to run.
type Trial struct {
	Number      int // within the run, from 1
	Plan        *scenarios.Plan
	Cell        scenarios.Cell
	Repeat      int // from 0
	Wave        int // part of the fleet, from 1; 0 when the fleet is whole
	Waves       int // parts in all; 0 when the fleet is whole
	Attempt     int // 2 when it is run again after an invalid one; else 0
	Verifies    int // number of the trial of which this is the second run, under load; 0 for a trial of its own
	Draws       draw.Way
	Seed        uint64
	Hosts       []fleet.HostSpec
	ReadyWithin time.Duration // all hosts must be up and judged by then, or the trial is invalid
}

// Trials lists a plan's trials in the order in which they run: all cells once, then all again. Those of one repeat draw
// alike, so that cells are pairs. A cell's fleet is run in
// as many parts, one after the other, as waves says for the cell's ID; in one if it says nothing. The parts' sizes differ
// by one host at most.
func Trials(p *scenarios.Plan, waves map[string]int) []Trial {
	var trials []Trial
	for repeat := range p.Repeat {
		for _, cell := range p.Cells {
			hosts := hostsOf(p, cell)
			total := len(hosts)
			n := min(max(1, waves[cell.ID]), max(1, total))
			for wave := range n {
				t := Trial{Number: len(trials) + 1, Plan: p, Cell: cell, Repeat: repeat, Draws: draw.ByIndex}
				if n > 1 {
					t.Wave, t.Waves = wave+1, n
				}
				size := total / n
				if wave < total%n {
					size++
				}
				t.Hosts, hosts = hosts[:size:size], hosts[size:]
				t.Seed = draw.Seed(p.Seed, draw.Trial, repeat, t.Wave)
				t.ReadyWithin = readyIn(size)
				trials = append(trials, t)
			}
		}
	}
	return trials
}

// readyIn is how long a fleet of so many hosts may take to be ready.
func readyIn(hosts int) time.Duration { return readyWithin + time.Duration(hosts)*readyWithinHost }

// Recorded is the trial that a journal's header of one describes, of a run that draws in a way.
func Recorded(p *scenarios.Plan, number int, draws draw.Way, h results.TrialHeader) (Trial, error) {
	for _, c := range p.Cells {
		if c.ID == h.Cell {
			return Trial{
				Number: number, Plan: p, Cell: c, Repeat: h.Repeat, Wave: h.Wave, Waves: h.Waves, Attempt: h.Attempt,
				Verifies: h.Verifies, Draws: draws, Seed: h.Seed, Hosts: h.Hosts, ReadyWithin: readyIn(len(h.Hosts)),
			}, nil
		}
	}
	return Trial{}, fmt.Errorf("trial %d: the plan has no cell %q", number, h.Cell)
}

// hostsOf are the hosts of a cell's whole fleet. Their names sort as they are numbered.
func hostsOf(p *scenarios.Plan, cell scenarios.Cell) []fleet.HostSpec {
	digits := max(2, len(strconv.Itoa(cell.Fleet.Hosts)))
	var hosts []fleet.HostSpec
	for n := range cell.Fleet.Hosts {
		hosts = append(hosts, fleet.HostSpec{
			Name: fmt.Sprintf("%s-%0*d", cell.Fleet.Name, digits, n+1), Architecture: cell.Fleet.Architecture,
			Oops: fleet.Oops(cell.Fleet.Oops), Image: cell.Fleet.Image, MemoryBytes: int64(cell.Fleet.Memory), Cold: cell.Fleet.Boot == "cold",
			CrashDump: cell.Fleet.CrashDump,
			Tempo: fleet.Tempo{
				Beat: time.Duration(p.Tempo.Beat), Poll: time.Duration(p.Tempo.Poll),
				Work: time.Duration(p.Tempo.Work), Threat: time.Duration(p.Tempo.Threat),
			},
		})
	}
	return hosts
}

// seedByName is what draw.ByName makes of a name and a repeat.
func seedByName(seed uint64, of string, repeat int) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%s/%d", seed, of, repeat))
	return binary.LittleEndian.Uint64(sum[:])
}
