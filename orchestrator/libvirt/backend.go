package libvirt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

const (
	maxHosts = 500 // of a fleet, on each machine

	// What a host takes, in bytes, where nothing is known of it yet: QEMU beside the guest's memory, on the safe
	// side, and a disk like that of the tiny image.
	assumedOverhead = 96 << 20
	assumedDisk     = 16 << 20

	// giveUp bounds the time that machines have to close of which not all could be opened: longer than a daemon may be
	// away.
	giveUp = time.Minute
)

// Driver is the backend whose hosts are virtual machines.
func Driver() backend.Driver {
	return backend.Driver{
		Name: Name, MaxHosts: maxHosts, Images: true, DumpTime: vm.DumpTime,
		Has: append(can(), fleet.CanKeepTime(fleet.WallClock), fleet.CanKeepTime(fleet.VirtualClock),
			fleet.CanUseNodes, fleet.CanRunBeside),
		Open:    openTestbed,
		Machine: thisMachine,
		Assume: func(k backend.Kind) backend.Takes {
			return backend.Takes{Memory: k.MemoryBytes, Overhead: assumedOverhead, Disk: assumedDisk + DiskBesides}
		},
		Leftovers: left, Collect: removeLeft,
	}
}

// thisMachine describes this machine, with the room that there is for disks.
func thisMachine() (admission.Machine, error) {
	m, err := admission.ThisMachine()
	if err != nil {
		return m, err
	}
	m.Disk, err = RoomForDisks("")
	return m, err
}

// A testbed is the machines of one run, and what is known of hosts there.
type testbed struct {
	backend.Config
	machines Machines
	clock    fleet.Clock
	kinds    []backend.Kind
	ready    map[backend.Kind][]Preparation // for each machine
}

// openTestbed connects to every machine that the scenario names, or to the only one.
func openTestbed(ctx context.Context, cfg backend.Config) (_ backend.Backend, err error) {
	t := &testbed{Config: cfg, ready: map[backend.Kind][]Preparation{}}
	defer func() {
		if err != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveUp)
			defer cancel()
			err = errors.Join(err, t.Close(ctx))
		}
	}()
	if len(cfg.Nodes) == 0 {
		t.Step("starting libvirt")
		return t, t.open(ctx, Config{RunID: cfg.RunID, URI: cfg.URI})
	}
	if cfg.URI != "" {
		return nil, fmt.Errorf("the run names its machines itself, and %s is none of them", cfg.URI)
	}
	for i, n := range cfg.Nodes {
		t.Step(fmt.Sprintf("connecting to host %s at %s", n.Name, n.URI))
		// Each has a work directory of its own, which is named for its run ID.
		if err := t.open(ctx, Config{Node: n.Name, RunID: fmt.Sprintf("%sn%d", cfg.RunID, i+1), URI: n.URI}); err != nil {
			return nil, fmt.Errorf("%s: host %q: %w", n.At, n.Name, err)
		}
	}
	return t, nil
}

func (t *testbed) open(ctx context.Context, cfg Config) error {
	cfg.RunDir, cfg.Cache, cfg.Log, cfg.Emulate = t.RunDir, t.Cache, t.Log, t.Clock == fleet.VirtualClock
	m, err := Open(ctx, cfg)
	if err != nil {
		return err
	}
	t.machines = append(t.machines, m)
	return nil
}

// Close implements backend.Backend.
func (t *testbed) Close(ctx context.Context) error {
	var errs []error
	if len(t.machines) > 0 {
		errs = append(errs, Promises("").Release(ctx, t.RunID))
	}
	for _, m := range t.machines {
		errs = append(errs, m.Close(ctx))
	}
	return errors.Join(errs...)
}

// Caps implements backend.Backend.
func (t *testbed) Caps() fleet.Caps {
	return capsOf(t.machines.named(), t.clock, t.machines[0].Facts().Accelerator.Name)
}

// Prepare implements backend.Backend: it finds out, on each machine, how guests' instructions are executed, and
// prepares every kind of host.
func (t *testbed) Prepare(ctx context.Context, kinds []backend.Kind) ([]backend.Takes, error) {
	t.kinds = kinds
	for _, m := range t.machines {
		for _, name := range slices.Sorted(maps.Keys(t.Images)) {
			t.Step(of("probing the accelerator with image "+name, m.Facts().Node))
			accelerator, err := m.Probe(ctx, t.Images[name])
			if err != nil {
				return nil, err
			}
			t.Step(fmt.Sprintf("accelerator %s: %s", accelerator.Name, accelerator.Reason))
		}
	}
	if err := t.chooseClock(); err != nil {
		return nil, err
	}
	for _, m := range t.machines {
		for _, kind := range kinds {
			if err := t.prepare(ctx, m, kind); err != nil {
				return nil, err
			}
		}
	}
	all := make([]backend.Takes, len(kinds))
	for i, kind := range kinds {
		all[i] = t.takes(kind)
	}
	return all, nil
}

// chooseClock decides what the fleets' time is made of, now that it is known how guests' instructions are executed:
// what was asked for, else the virtual clock where there can be one.
func (t *testbed) chooseClock() error {
	t.clock = fleet.WallClock
	if t.Clock == fleet.WallClock {
		t.Step("clock wall")
		return nil
	}
	err := t.machines.CanCount()
	switch {
	case err == nil:
		t.clock = fleet.VirtualClock
		t.Step("clock virtual")
	case t.Clock == fleet.VirtualClock:
		return &backend.ClockError{Clock: fleet.VirtualClock, Err: err}
	default:
		t.Step("clock wall: " + err.Error())
	}
	return nil
}

func (t *testbed) prepare(ctx context.Context, m *Hypervisor, kind backend.Kind) error {
	what := "preparing " + kind.String() + " hosts: one is booted to a point where it can be copied, unless one was before"
	t.Step(of(what, m.Facts().Node))
	p, err := m.Prepare(ctx, t.Images[kind.Image], kind.Spec(), t.clock)
	if err != nil {
		return err
	}
	how := "start as copies of one that has booted"
	switch {
	case !p.Copies:
		how = "boot, each for itself, because copies are impossible here"
	case t.clock == fleet.VirtualClock:
		how = "boot from where one has come before it mounts its disk"
	}
	t.Step(fmt.Sprintf("%s hosts %s: %s", kind, how, p.Reason))
	t.ready[kind] = append(t.ready[kind], p)
	return nil
}

// takes is what a host of a kind takes on the machine where it takes most.
func (t *testbed) takes(kind backend.Kind) backend.Takes {
	takes := backend.Takes{Memory: kind.MemoryBytes, Disk: t.Images[kind.Image].DiskSize + DiskBesides}
	for _, p := range t.ready[kind] {
		takes.Overhead = max(takes.Overhead, p.Overhead)
	}
	if takes.Measured = takes.Overhead > 0; !takes.Measured {
		takes.Overhead = assumedOverhead
	}
	return takes
}

// Reserve implements backend.Backend. Memory is promised of this machine alone: nobody keeps count of others'.
func (t *testbed) Reserve(ctx context.Context, admit func([]admission.Machine) (admission.Decision, error)) error {
	return Promises("").Reserve(ctx, t.RunID, func(others []admission.Promise) (int64, error) {
		var machines []admission.Machine
		local := map[string]bool{}
		for _, m := range t.machines {
			machine, err := m.Machine(ctx)
			if err != nil {
				return 0, err
			}
			for _, n := range t.Nodes {
				if n.Name == machine.Name {
					machine.At = n.At
				}
			}
			if m.Local() {
				machine.Promised, local[machine.Name] = others, true
			}
			machines = append(machines, machine)
		}
		decision, err := admit(machines)
		var bytes int64
		for name, b := range decision.Bytes {
			if local[name] {
				bytes += b
			}
		}
		return bytes, err
	})
}

// NewFleet implements backend.Backend. What it reads of the testbed does not change once all is prepared.
func (t *testbed) NewFleet(_ context.Context, cfg backend.FleetConfig) (fleet.Fleet, error) {
	deadlines := t.deadlines(cfg.Hosts)
	return t.machines.NewFleet(vm.FleetConfig{
		Cell: cfg.Name, Clock: t.clock, Seed: cfg.Seed, Hosts: cfg.Hosts, Images: t.Images, ConsoleDir: cfg.ConsoleDir,
		HelloTimeout: deadlines.Hello, FirstByte: deadlines.FirstByte, Liveness: cfg.Liveness,
	})
}

// deadlines are how long boots of hosts may take on the slowest of the machines. On the virtual clock none depends on
// how fast that is, and they are the fleet's.
func (t *testbed) deadlines(hosts []fleet.HostSpec) admission.Deadlines {
	var slowest admission.Deadlines
	if t.clock == fleet.VirtualClock {
		return slowest
	}
	for _, kind := range t.kinds {
		if !slices.ContainsFunc(hosts, func(s fleet.HostSpec) bool { return backend.KindOf(s) == kind }) {
			continue
		}
		for _, p := range t.ready[kind] {
			d := admission.DeadlinesFor(admission.Boot{FirstByte: p.Boot.FirstByte, Hello: p.Boot.Asked})
			slowest.FirstByte, slowest.Hello = max(slowest.FirstByte, d.FirstByte), max(slowest.Hello, d.Hello)
		}
	}
	return slowest
}
