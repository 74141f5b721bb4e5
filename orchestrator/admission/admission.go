// Package admission decides, before anything boots, whether a plan fits on the machines it is to run on, in how many
// waves each cell's fleet is run, and which host goes to which machine. The decision is pure arithmetic over a
// description of machines and of needs. This machine describes itself by ThisMachine, and a Ledger keeps runs on it
// from counting the same free memory twice.
package admission

import (
	"errors"
	"fmt"
	"slices"
)

// mostWaves is the number of waves beyond which a fleet is refused: what couples hosts acts within a wave only, and a
// fleet in tiny parts is no fleet any more.
const mostWaves = 50

// Open files. A host takes of this process a console file, a console socket, a channel socket and one more while it
// boots; of the libvirt daemon its monitor, its log, its pidfd, and what is open while it is created.
const (
	ownFiles, ownFilesHost       = 64, 4
	daemonFiles, daemonFilesHost = 128, 8
)

// A Machine is one that hosts run on, as it is now. Sizes are in bytes.
type Machine struct {
	Name      string    // of the scenario's host block; "" for the only one, which is this machine
	At        string    // where the scenario names it, "file.hcl:12,1"; may be empty
	ID        string    // of the hardware: machines with one ID are one, of which the first tells the memory; "" shares with nobody
	Total     int64     // memory
	Available int64     // memory that can be had without swapping
	Reserved  int64     // memory kept for the machine itself, see Reserve
	Promised  []Promise // to other runs
	CPUs      int
	Files     int64 // that the libvirt daemon on it may have open; 0: not known
	Disk      int64 // free where hosts' disks lie; 0: not known
}

// diskReserve is what is left of a machine's disk, in bytes: room for what a run writes besides its hosts' disks,
// such as states of templates and logs, for as long as they are needed.
const diskReserve = 64 << 20

// Reserve is how much of a machine's memory is kept for the machine itself, in bytes: what the kernel, the daemon and
// this program take while VMs come up, which nobody has counted, and a margin before the kernel kills for memory.
func Reserve(total int64) int64 { return max(512<<20, total/20) }

// A Need is what one trial of a cell asks for, or one wave after the other of it. Needs add up only where several trials
// are under way at a time: see Decision.Times.
type Need struct {
	Cell     string
	Hosts    int
	Guest    int64 // bytes of a guest's memory
	Overhead int64 // bytes that QEMU takes besides, for each host
	Disk     int64 // bytes that a host's disk can grow to, with what lies beside it
	Measured bool  // the overhead was measured on this run's machine; else it is an assumption
	Waves    bool  // a fleet that does not fit may be run in parts
	Parts    int   // waves that the fleet must be run in, because a run that is resumed began so; 0: as few as fit
}

// A Decision says how everything fits.
type Decision struct {
	Cells []Placement // in the order of the needs
	// Bytes is the memory that hosts take on each machine, by name, while the largest wave runs: what to promise.
	Bytes map[string]int64
	// Together is how many trials, or waves of them, fit at a time, whichever they are; 1 at least.
	Together int
}

// Times is the decision for so many trials at a time, at most d.Together: each is counted as the largest.
func (d Decision) Times(trials int) Decision {
	bytes := map[string]int64{}
	for name, b := range d.Bytes {
		bytes[name] = int64(trials) * b
	}
	d.Bytes = bytes
	return d
}

// A Placement is one cell's.
type Placement struct {
	Cell  string
	Waves [][]string // for each wave, the name of the machine of each of its hosts, in the hosts' order
}

// Waves is the number of waves of each cell that has more than one, by the cell's ID.
func (d Decision) Waves() map[string]int {
	waves := map[string]int{}
	for _, c := range d.Cells {
		if len(c.Waves) > 1 {
			waves[c.Cell] = len(c.Waves)
		}
	}
	return waves
}

// Admit decides how the needs fit on the machines; files is the number of files that this process may have open, 0 if
// that is not known. What does not fit is a *Refusal that names every such cell.
//
// Each host is put where the most memory is left, so that nodes of different sizes are left with like amounts; where
// that is equal, on the machine with the fewest hosts, and then on the first. A cell's fleet is split in the least
// number of waves that all fit, of sizes that differ by one at most.
//
// A host is counted with all of its guest's memory from the start. A copy of a template begins with a fraction of that,
// but it owns every page that it writes to, and once it reboots it is a host like any other: a bad update makes a whole
// fleet do that at the same time, and a fleet that was admitted for less would run out of memory in mid-outage.
//
// Everything is counted in MiB, needs rounded up and memory down, so that the figures in a Refusal add up.
func Admit(needs []Need, machines []Machine, files int64) (Decision, error) {
	if len(machines) == 0 {
		return Decision{}, errors.New("admission: no machine to run on")
	}
	d := Decision{Bytes: map[string]int64{}, Together: unlimited}
	var refusal Refusal
	for _, n := range needs {
		if n.Hosts < 1 || n.Guest < 1 || n.Overhead < 0 || n.Disk < 0 || n.Parts < 0 {
			return Decision{}, fmt.Errorf("admission: cell %s: %d hosts x (%d + %d) bytes, and %d of disk, in %d waves is no need",
				n.Cell, n.Hosts, n.Guest, n.Overhead, n.Disk, n.Parts)
		}
		f := newFloor(machines, files)
		waves, why := f.split(n)
		if why != "" {
			refusal.add(n, f, why)
			continue
		}
		placed := Placement{Cell: n.Cell}
		for _, size := range waves {
			var names []string
			took := map[string]int64{}
			machineOf := f.place(size, n)
			d.Together = min(d.Together, f.together(machineOf, n))
			for _, i := range machineOf {
				names = append(names, machines[i].Name)
				took[machines[i].Name] += n.each() << 20
			}
			placed.Waves = append(placed.Waves, names)
			for name, bytes := range took {
				d.Bytes[name] = max(d.Bytes[name], bytes)
			}
		}
		d.Cells = append(d.Cells, placed)
	}
	if len(refusal.problems) > 0 {
		return Decision{}, &refusal
	}
	return d, nil
}

// each is the memory of one host, in MiB.
func (n Need) each() int64 { return up(n.Guest) + up(n.Overhead) }

// sizes splits hosts in waves.
func sizes(hosts, waves int) []int {
	all := make([]int, waves)
	for i := range all {
		all[i] = hosts / waves
		if i < hosts%waves {
			all[i]++
		}
	}
	return all
}

// up and down are bytes in whole MiB.
func up(bytes int64) int64   { return (bytes + 1<<20 - 1) >> 20 }
func down(bytes int64) int64 { return bytes >> 20 }

// A floor is what hosts are placed on: the machines, and what limits each of them.
type floor struct {
	machines []Machine
	files    int64   // that this process may have open
	own      int     // hosts that it has files for
	free     []int   // hosts that each machine's daemon has files for
	pool     []int   // index of the machine whose memory each machine takes: its own, or the first with the same ID
	mib      []int64 // free memory, by pool
}

func newFloor(machines []Machine, files int64) *floor {
	f := &floor{machines: machines, files: files, own: hostsWithin(files, ownFiles, ownFilesHost)}
	for i, m := range machines {
		first := slices.IndexFunc(machines, func(o Machine) bool { return m.ID != "" && o.ID == m.ID })
		if first < 0 {
			first = i
		}
		f.free = append(f.free, hostsWithin(m.Files, daemonFiles, daemonFilesHost))
		f.pool = append(f.pool, first)
		f.mib = append(f.mib, m.free())
	}
	return f
}

// unlimited is a number of hosts that nothing limits.
const unlimited = 1 << 30

// hostsWithin is the number of hosts that a limit on open files allows.
func hostsWithin(files, base, each int64) int {
	if files <= 0 {
		return unlimited
	}
	return int(min(unlimited, max(0, files-base)/each))
}

// free is the memory that hosts may take, in MiB; negative when more is spoken for than there is.
func (m Machine) free() int64 {
	free := down(m.Available) - up(m.Reserved)
	for _, p := range m.Promised {
		free -= up(p.unused())
	}
	return free
}

// place puts up to hosts hosts on machines and returns the index of each one's machine; fewer when no more fit.
func (f *floor) place(hosts int, n Need) []int {
	left, used := slices.Clone(f.mib), make([]int, len(f.machines))
	var placed []int
	for len(placed) < min(hosts, f.own) {
		best := -1
		for i, p := range f.pool {
			if left[p] < n.each() || used[i] >= min(f.free[i], f.machines[i].disks(n)) {
				continue
			}
			if best < 0 || left[p] > left[f.pool[best]] || left[p] == left[f.pool[best]] && used[i] < used[best] {
				best = i
			}
		}
		if best < 0 {
			break
		}
		left[f.pool[best]] -= n.each()
		used[best]++
		placed = append(placed, best)
	}
	return placed
}

// together is how many times a wave fits at once, whose hosts are on these machines, each counted in full; 1 at least.
func (f *floor) together(machineOf []int, n Need) int {
	onMachine, inPool := map[int]int{}, map[int]int64{}
	for _, i := range machineOf {
		onMachine[i]++
		inPool[f.pool[i]]++
	}
	fit := f.own / len(machineOf)
	for i, hosts := range onMachine {
		fit = min(fit, min(f.free[i], f.machines[i].disks(n))/hosts)
	}
	for p, hosts := range inPool {
		fit = min(fit, int(f.mib[p]/(hosts*n.each())))
	}
	return max(1, fit)
}

// split returns the sizes of the need's waves, or why it cannot be.
func (f *floor) split(n Need) (waves []int, why string) {
	for i := range f.machines {
		if f.capacity(i, n) < 1 {
			return nil, tooSmall
		}
	}
	fit := len(f.place(n.Hosts, n))
	parts := 1
	switch {
	case n.Parts > 0:
		parts = min(n.Parts, n.Hosts)
	case n.Waves && fit > 0:
		parts = (n.Hosts + fit - 1) / fit
	}
	switch {
	case parts > mostWaves:
		return nil, tooMany
	case (n.Hosts+parts-1)/parts > fit:
		return nil, tooLarge
	}
	return sizes(n.Hosts, parts), ""
}

// capacity is the number of hosts that a machine could hold alone.
func (f *floor) capacity(machine int, n Need) int {
	return int(min(max(0, f.mib[f.pool[machine]])/n.each(), int64(min(f.free[machine], f.machines[machine].disks(n)))))
}

// disks is the number of hosts whose disks there is room for.
func (m Machine) disks(n Need) int {
	if m.Disk <= 0 || n.Disk <= 0 {
		return unlimited
	}
	return int(min(unlimited, max(0, down(m.Disk)-up(diskReserve))/up(n.Disk)))
}
