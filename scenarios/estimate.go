package scenarios

import (
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/agents/architecture"
)

// Assumptions are what an estimate takes for granted about the machine that a plan runs on.
type Assumptions struct {
	Boot         time.Duration `json:"boot_ns"`       // of one host, from power to its first beat
	Crash        time.Duration `json:"crash_ns"`      // of one host, from power to the panic that content on its disk makes
	Clone        time.Duration `json:"clone_ns"`      // of one host as a copy of a booted template, to its first beat
	BootsAtOnce  int           `json:"boots_at_once"` // hosts that boot at the same time on one machine, at least 1
	HostOverhead Size          `json:"host_overhead"` // bytes that a VM takes besides its guest's memory

	// What the virtual clock costs of our time on a machine that has nothing else to do.
	Trial    time.Duration `json:"trial_ns"`     // for each trial: to make its hosts ready, and to clean up
	BootCost time.Duration `json:"boot_cost_ns"` // for each boot, to a panic or the first beat
	ActCost  time.Duration `json:"act_cost_ns"`  // each time that a host beats, polls, works or is threatened
}

// EmulatedVMs are assumptions for tiny VMs with emulated CPUs on a machine of two cores: a stock kernel reached its
// init in 1.6 to 1.9 s there, and the guest its first beat about a second later; 100 copies, two at a time, took 16
// s. The overhead is on the safe side: a run measures it on its own machine. With a restart of 1 s hosts in a loop
// panicked each 2.75 s of the virtual clock; 8 of them, 117 panics, took 72 s of a machine that others used too, 62 s
// of CPU time. The outage at its real pace (3 trials of 4 hosts, an hour and a half each, some 150 boots) took 173 s,
// and the 273 short trials of the matrix 37 min of CPU time, up to four side by side. On a slow machine, with 12 hosts
// that were up, an act took 7 to 8 ms, whether there were 0.3, 1.3 or 3 a second; on the fast one, half of that.
func EmulatedVMs() Assumptions {
	return Assumptions{
		Boot: 3 * time.Second, Crash: 1750 * time.Millisecond, Clone: 300 * time.Millisecond, BootsAtOnce: 2, HostOverhead: 96 << 20,
		Trial: 3 * time.Second, BootCost: 800 * time.Millisecond, ActCost: 6 * time.Millisecond,
	}
}

// spares are faults that take down no kernel agent's host: those that every loader refuses, and those that do something
// else. The matrix claims it of each; of bit_flips as its seed has them, and another seed's may do worse.
var spares = []string{"bit_flips", "false_positive_updater", "replay", "self_wait", "truncated", "unknown_version", "unsigned", "zero_filled"}

// An Estimate is what running a plan takes. Its durations are of the fleets' clock: on the virtual one a run takes
// less, also because trials run side by side there. Memory and hosts are those of the largest trial, durations add up.
// Fleets are taken as whole: in how many parts one is run that may be run in waves, only the machine can tell.
type Estimate struct {
	Assumptions Assumptions    `json:"assumptions"`
	Hosts       int            `json:"hosts"`    // of a trial, at most
	Memory      Size           `json:"memory"`   // bytes that a trial takes at most, with the VMs' overhead
	Duration    Duration       `json:"duration"` // expected, of all cells and repeats
	Longest     Duration       `json:"longest"`  // if every cell lasts until its deadline
	Repeat      int            `json:"repeat"`   // of the plan
	Boots       int            `json:"boots"`    // expected, of all cells and repeats
	Cost        Duration       `json:"cost"`     // of our time, expected, of all cells and repeats, on the virtual clock
	Cells       []CellEstimate `json:"cells"`    // in the plan's order
}

// A CellEstimate is what one run of a cell takes.
type CellEstimate struct {
	ID       string   `json:"id"`
	Hosts    int      `json:"hosts"`
	Memory   Size     `json:"memory"`   // bytes, with the VMs' overhead
	Duration Duration `json:"duration"` // expected, of one run
	Longest  Duration `json:"longest"`  // of one run, if it lasts until its deadline
	Boots    int      `json:"boots"`    // expected, of one run, of all its hosts
	Cost     Duration `json:"cost"`     // of our time, expected, of one run on the virtual clock
}

// Estimate tells what running the plan takes. It is a pure function of the plan and the assumptions. It supposes that
// the update does its worst, so that it mostly errs on the long side:
//
//   - a cell is its fleet's boot, the time until the injection, and then the outage and stable_for, or the deadline if
//     that is less;
//   - a fleet of clones waits for its template's boot first; every boot after the first is a real one, and then a host
//     shares no memory with others any more, so that each counts with all of its own;
//   - a harmless or an unsigned update, one that takes down nobody, and an agent that is not in the kernel, leave the hosts up:
//     the outage is over when the hosts have polled after the revert;
//   - any other update sends every host with a kernel agent into a boot loop. Without technicians it stays there until
//     the deadline. With them it is noticed at its second panic, waits for its turn, and takes two boots and the mean
//     of hands_on. Hosts that wait go on restarting, so that each of a technician's boots into safe mode comes after one
//     of all of them;
//   - a host in a boot loop boots once in the time to its restart and the next panic, until its turn comes or the deadline.
func (p *Plan) Estimate(a Assumptions) Estimate {
	e := Estimate{Assumptions: a, Repeat: p.Repeat, Cells: []CellEstimate{}}
	a.BootsAtOnce = max(a.BootsAtOnce, 1) * max(len(p.Nodes), 1)
	for _, c := range p.Cells {
		start := saturate(float64(a.firstBoots(c.Fleet)) + float64(c.Update.At))
		o := p.outage(c, a)
		lasts := min(float64(p.Deadline), o.lasts+float64(p.StableFor))
		ce := CellEstimate{
			ID:       c.ID,
			Hosts:    c.Fleet.Hosts,
			Memory:   Size(c.Fleet.Hosts) * (c.Fleet.Memory + a.HostOverhead),
			Duration: saturate(float64(start) + lasts),
			Longest:  saturate(float64(start) + float64(p.Deadline)),
			Boots:    int(float64(c.Fleet.Hosts) + o.boots),
		}
		running := float64(c.Fleet.Hosts) * p.Tempo.acts(time.Duration(ce.Duration)) * float64(a.ActCost)
		ce.Cost = saturate(float64(a.Trial) + float64(ce.Boots)*float64(a.BootCost) + running)
		e.Cells = append(e.Cells, ce)
		e.Hosts = max(e.Hosts, ce.Hosts)
		e.Memory = max(e.Memory, ce.Memory)
		e.Duration = saturate(float64(e.Duration) + float64(p.Repeat)*float64(ce.Duration))
		e.Longest = saturate(float64(e.Longest) + float64(p.Repeat)*float64(ce.Longest))
		e.Boots += p.Repeat * ce.Boots
		e.Cost = saturate(float64(e.Cost) + float64(p.Repeat)*float64(ce.Cost))
	}
	return e
}

// acts is how many times a host does something in a time: gives a sign of life, polls, works or is threatened.
func (t Tempo) acts(d time.Duration) (n float64) {
	for _, every := range []Duration{t.Beat, t.Poll, t.Work, t.Threat} {
		if every > 0 {
			n += float64(d) / float64(every)
		}
	}
	return n
}

// firstBoots is how long a fleet takes until it is up.
func (a Assumptions) firstBoots(f Fleet) time.Duration {
	if f.Boot == bootClone {
		return a.Boot + a.turns(f.Hosts)*a.Clone
	}
	return a.turns(f.Hosts) * a.Boot
}

// turns is how many boots n hosts take one after the other.
func (a Assumptions) turns(n int) time.Duration {
	return time.Duration((n + a.BootsAtOnce - 1) / a.BootsAtOnce)
}

// An outage is what is expected between the injection and the time when all hosts are back.
type outage struct {
	lasts float64 // nanoseconds; the deadline if they never are
	boots float64 // of all hosts
}

func (p *Plan) outage(c Cell, a Assumptions) outage {
	reverted := float64(p.Tempo.Poll) + float64(c.Update.RevertAfter)
	if c.Update.Fault == harmless || slices.Contains(spares, c.Update.Fault) || !c.Update.Signed || c.Fleet.Architecture != architecture.Kernel {
		return outage{lasts: reverted}
	}
	r, hosts := c.Recovery, c.Fleet.Hosts
	deadline, turn := float64(p.Deadline), max(1, float64(r.Restart)+float64(a.Crash))
	looping := func(hosts int, from, to float64) float64 {
		return float64(hosts) * max(0, min(to, deadline)-from) / turn
	}
	if r.Strategy == noStrategy || r.Technicians < 1 { // nobody comes
		return outage{lasts: deadline, boots: looping(hosts, float64(p.Tempo.Poll), deadline)}
	}
	second := float64(p.Tempo.Poll) + 2*float64(r.Restart) + float64(a.turns(hosts)*a.Boot)
	repaired := second + float64(r.Notice)
	boots := looping(hosts, float64(p.Tempo.Poll), repaired) + 2*float64(hosts) // two for each of the repairs
	for waiting := hosts; waiting > 0; waiting -= r.Technicians {
		began := repaired
		repaired += float64(a.turns(waiting)*a.Boot) + float64(r.HandsOn.Mean())
		boots += looping(max(0, waiting-r.Technicians), began, repaired)
	}
	last := float64(a.turns(min(hosts, r.Technicians)) * a.Boot)
	return outage{lasts: max(reverted, repaired+last), boots: boots}
}

// Loops tells whether a run on the virtual clock takes long because hosts boot again and again: longer than so much of
// our time, most of it for boots. A longer restart of the recovery makes fewer.
func (e Estimate) Loops(long time.Duration) bool {
	boots := float64(e.Boots) * float64(e.Assumptions.BootCost)
	return time.Duration(e.Cost) > long && boots > float64(e.Cost)/2
}

// Acts tells whether a run on the virtual clock takes long because of what hosts do all the time. A slower guest does
// less.
func (e Estimate) Acts(long time.Duration) bool {
	others := float64(e.Boots)*float64(e.Assumptions.BootCost) + float64(len(e.Cells)*e.Repeat)*float64(e.Assumptions.Trial)
	return time.Duration(e.Cost) > long && others < float64(e.Cost)/2
}

// saturate keeps a sum of durations within what a Duration can hold.
func saturate(nanoseconds float64) Duration {
	const most = 1 << 62
	return Duration(min(nanoseconds, most))
}
