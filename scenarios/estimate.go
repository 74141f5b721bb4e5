package scenarios

import (
	"slices"
	"time"
)

// Assumptions are what an estimate takes for granted about the machine that a plan runs on.
type Assumptions struct {
	Boot         time.Duration `json:"boot_ns"`       // of one host, from power to its first beat
	Clone        time.Duration `json:"clone_ns"`      // of one host as a copy of a booted template, to its first beat
	BootsAtOnce  int           `json:"boots_at_once"` // hosts that boot at the same time on one machine, at least 1
	HostOverhead Size          `json:"host_overhead"` // bytes that a VM takes besides its guest's memory
}

// EmulatedVMs are assumptions for tiny VMs with emulated CPUs on a machine of two cores: a stock kernel reached its init
// in 1.6 to 1.9 s there, and the guest its first beat about a second later; 100 copies, two at a time, took 16 s. The
// overhead is on the safe side: a run measures it on its own machine.
func EmulatedVMs() Assumptions {
	return Assumptions{Boot: 3 * time.Second, Clone: 300 * time.Millisecond, BootsAtOnce: 2, HostOverhead: 96 << 20}
}

// spares are faults that take down no kernel agent's host: those that every loader refuses, and those that do something else. The
// matrix claims it of each; of bit_flips as its seed has them, and another seed's may do worse.
var spares = []string{"bit_flips", "false_positive_updater", "replay", "self_wait", "truncated", "unknown_version", "unsigned", "zero_filled"}

// An Estimate is what running a plan takes. Its durations are of the fleets' clock: on the virtual one a run takes less. Cells run one after the other, so that none disturbs another's clock: memory
// and hosts are those of the largest, durations add up. Fleets are taken as whole: in how many parts one is run that may
// be run in waves, only the machine can tell.
type Estimate struct {
	Assumptions Assumptions    `json:"assumptions"`
	Hosts       int            `json:"hosts"`    // at the same time, at most
	Memory      Size           `json:"memory"`   // bytes at the same time, at most, with the VMs' overhead
	Duration    Duration       `json:"duration"` // expected, of all cells and repeats
	Longest     Duration       `json:"longest"`  // if every cell lasts until its deadline
	Cells       []CellEstimate `json:"cells"`    // in the plan's order
}

// A CellEstimate is what one run of a cell takes.
type CellEstimate struct {
	ID       string   `json:"id"`
	Hosts    int      `json:"hosts"`
	Memory   Size     `json:"memory"`   // bytes, with the VMs' overhead
	Duration Duration `json:"duration"` // expected, of one run
	Longest  Duration `json:"longest"`  // of one run, if it lasts until its deadline
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
//     of all of them.
func (p *Plan) Estimate(a Assumptions) Estimate {
	e := Estimate{Assumptions: a, Cells: []CellEstimate{}}
	a.BootsAtOnce = max(a.BootsAtOnce, 1) * max(len(p.Nodes), 1)
	for _, c := range p.Cells {
		start := saturate(float64(a.firstBoots(c.Fleet)) + float64(c.Update.At))
		lasts := min(float64(p.Deadline), p.outage(c, a)+float64(p.StableFor))
		ce := CellEstimate{
			ID:       c.ID,
			Hosts:    c.Fleet.Hosts,
			Memory:   Size(c.Fleet.Hosts) * (c.Fleet.Memory + a.HostOverhead),
			Duration: saturate(float64(start) + lasts),
			Longest:  saturate(float64(start) + float64(p.Deadline)),
		}
		e.Cells = append(e.Cells, ce)
		e.Hosts = max(e.Hosts, ce.Hosts)
		e.Memory = max(e.Memory, ce.Memory)
		e.Duration = saturate(float64(e.Duration) + float64(p.Repeat)*float64(ce.Duration))
		e.Longest = saturate(float64(e.Longest) + float64(p.Repeat)*float64(ce.Longest))
	}
	return e
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

// outage is the time from the injection until all hosts are back, in nanoseconds; the deadline if they never are.
func (p *Plan) outage(c Cell, a Assumptions) float64 {
	reverted := float64(p.Tempo.Poll) + float64(c.Update.RevertAfter)
	if c.Update.Fault == harmless || slices.Contains(spares, c.Update.Fault) || !c.Update.Signed || c.Fleet.Architecture != "kernel" {
		return reverted
	}
	r := c.Recovery
	if r.Strategy != safeMode || r.Technicians < 1 {
		return float64(p.Deadline)
	}
	second := float64(p.Tempo.Poll) + 2*float64(r.Restart) + float64(a.turns(c.Fleet.Hosts)*a.Boot)
	repaired := second + float64(r.Notice)
	for waiting := c.Fleet.Hosts; waiting > 0; waiting -= r.Technicians {
		repaired += float64(a.turns(waiting)*a.Boot) + float64(r.HandsOn.Mean())
	}
	last := float64(a.turns(min(c.Fleet.Hosts, r.Technicians)) * a.Boot)
	return max(reverted, repaired+last)
}

// saturate keeps a sum of durations within what a Duration can hold.
func saturate(nanoseconds float64) Duration {
	const most = 1 << 62
	return Duration(min(nanoseconds, most))
}
