package experiment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt"
	"github.com/fleetfall/fleetfall/scenarios"
)

// openMachines connects to every machine that the plan names, or to the only one.
func (r *run) openMachines(ctx context.Context) error {
	nodes := r.Plan.Nodes
	if len(nodes) == 0 {
		r.Step("starting libvirt")
		return r.openMachine(ctx, libvirt.Config{RunID: r.id, URI: r.URI})
	}
	if r.URI != "" {
		return fmt.Errorf("the run names its machines itself, and %s is none of them", r.URI)
	}
	for i, n := range nodes {
		r.Step(fmt.Sprintf("connecting to host %s at %s", n.Name, n.URI))
		// Each has a work directory of its own, which is named for its run ID.
		if err := r.openMachine(ctx, libvirt.Config{Node: n.Name, RunID: fmt.Sprintf("%sn%d", r.id, i+1), URI: n.URI}); err != nil {
			return fmt.Errorf("%s: host %q: %w", n.At, n.Name, err)
		}
	}
	return nil
}

func (r *run) openMachine(ctx context.Context, cfg libvirt.Config) error {
	cfg.RunDir, cfg.Cache, cfg.Log = r.dir, r.Cache, r.Log
	cfg.Emulate = r.askedClock() == scenarios.ClockVirtual || r.verify != nil
	m, err := libvirt.Open(ctx, cfg)
	if err != nil {
		return err
	}
	r.machines = append(r.machines, m)
	return nil
}

func (r *run) closeMachines(ctx context.Context) error {
	var errs []error
	if len(r.machines) > 0 {
		errs = append(errs, libvirt.Promises("").Release(ctx, r.id))
	}
	for _, m := range r.machines {
		errs = append(errs, m.Close(ctx))
	}
	return errors.Join(errs...)
}

// A hostKind is what decides how a host boots and what it takes.
type hostKind struct {
	image, architecture, oops string
	memory                    scenarios.Size
}

func kindOf(f scenarios.Fleet) hostKind { return hostKind{f.Image, f.Architecture, f.Oops, f.Memory} }

// spec describes a host of the kind, as far as all of them are alike.
func (k hostKind) spec() fleet.HostSpec {
	return fleet.HostSpec{Image: k.image, Architecture: k.architecture, Oops: fleet.Oops(k.oops), MemoryBytes: int64(k.memory)}
}

// String is what people call hosts of the kind, among those of a run.
func (k hostKind) String() string {
	if k.oops == string(fleet.OopsKill) {
		return k.architecture + " (oops = kill)"
	}
	return k.architecture
}

// getReady finds out, on each machine, how guests' instructions are executed, and prepares every kind of host.
func (r *run) getReady(ctx context.Context) error {
	r.ready = map[hostKind][]libvirt.Preparation{}
	for _, m := range r.machines {
		node := m.Facts().Node
		for _, name := range slices.Sorted(maps.Keys(r.images)) {
			r.Step(of("probing the accelerator with image "+name, node))
			accelerator, err := m.Probe(ctx, r.images[name])
			if err != nil {
				return err
			}
			r.Step(fmt.Sprintf("accelerator %s: %s", accelerator.Name, accelerator.Reason))
		}
	}
	if err := r.chooseClock(); err != nil {
		return err
	}
	for _, m := range r.machines {
		node := m.Facts().Node
		for _, kind := range r.kinds() {
			r.Step(of("preparing "+kind.String()+" hosts: one is booted to a point where it can be copied, unless one was before", node))
			p, err := m.Prepare(ctx, r.images[kind.image], kind.spec(), r.clock)
			if err != nil {
				return err
			}
			how := "start as copies of one that has booted"
			switch {
			case !p.Copies:
				how = "boot, each for itself, because copies are impossible here"
			case r.clock == fleet.VirtualClock:
				how = "boot from where one has come before it mounts its disk"
			}
			r.Step(fmt.Sprintf("%s hosts %s: %s", kind, how, p.Reason))
			r.ready[kind] = append(r.ready[kind], p)
		}
	}
	return nil
}

// askedClock is what the scenario asks for or, in a run that is resumed, what it began with; "" when nothing does.
func (r *run) askedClock() string {
	if r.before != nil {
		return r.before.Provenance.Clock
	}
	return r.Plan.Clock
}

// chooseClock decides what the fleets' time is made of, now that it is known how guests' instructions are executed: what was asked
// for, else the virtual clock where there can be one.
func (r *run) chooseClock() error {
	asked := r.askedClock()
	r.clock = fleet.WallClock
	if asked == scenarios.ClockWall {
		r.Step("clock wall")
		return nil
	}
	err := r.machines.CanCount()
	switch {
	case err == nil:
		r.clock = fleet.VirtualClock
		r.Step("clock virtual")
	case r.verify != nil:
		return fmt.Errorf("%w; and %w", ErrWallClock, err)
	case asked == scenarios.ClockVirtual:
		return fmt.Errorf("clock \"virtual\": %w; ask for clock \"wall\"", err)
	default:
		r.Step("clock wall: " + err.Error())
	}
	return nil
}

// kinds lists the kinds of the plan's hosts, in the order of its cells.
func (r *run) kinds() []hostKind {
	var kinds []hostKind
	for _, c := range r.Plan.Cells {
		if k := kindOf(c.Fleet); !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// admit decides, with what a host was seen to take, whether the plan fits on the machines as they are now, in how many
// waves, and which host goes where; and promises this machine's memory to this run.
func (r *run) admit(ctx context.Context) error {
	all := r.needs()
	if r.before != nil {
		goOn(all, r.waves)
	}
	own, err := admission.OpenFiles()
	if err != nil {
		return err
	}
	var decision admission.Decision
	err = libvirt.Promises("").Reserve(ctx, r.id, func(others []admission.Promise) (int64, error) {
		var machines []admission.Machine
		local := map[string]bool{}
		for _, m := range r.machines {
			machine, err := m.Machine(ctx)
			if err != nil {
				return 0, err
			}
			for _, n := range r.Plan.Nodes {
				if n.Name == machine.Name {
					machine.At = n.At
				}
			}
			if m.Local() {
				machine.Promised, local[machine.Name] = others, true
			}
			machines = append(machines, machine)
		}
		decision, err = admission.Admit(all, machines, own)
		var bytes int64
		for name, b := range decision.Bytes {
			if local[name] {
				bytes += b
			}
		}
		return bytes, err
	})
	if err != nil {
		return err
	}
	if r.before == nil {
		r.waves = decision.Waves()
	}
	r.placed = map[string][][]string{}
	for _, c := range decision.Cells {
		r.placed[c.Cell] = c.Waves
	}
	return nil
}

// needs are what the plan's cells ask for, with QEMU's own memory as it was measured where that is known.
func (r *run) needs() []admission.Need {
	assumed := scenarios.EmulatedVMs().HostOverhead
	all := needs(r.Plan, assumed, false)
	for i, c := range r.Plan.Cells {
		if image, ok := r.images[c.Fleet.Image]; ok {
			all[i].Disk = image.DiskSize + libvirt.DiskBesides
		}
		for _, p := range r.ready[kindOf(c.Fleet)] {
			if p.Overhead == 0 {
				continue
			}
			if !all[i].Measured {
				all[i].Overhead, all[i].Measured = 0, true
			}
			all[i].Overhead = max(all[i].Overhead, p.Overhead)
		}
	}
	return all
}

// deadlines are how long boots of a kind of host may take on the slowest of the machines. On the virtual clock none depends on how
// fast that is, and they are the backend's.
func (r *run) deadlines(kind hostKind) admission.Deadlines {
	if r.clock == fleet.VirtualClock {
		return admission.Deadlines{}
	}
	var slowest admission.Deadlines
	for _, p := range r.ready[kind] {
		d := admission.DeadlinesFor(admission.Boot{FirstByte: p.Boot.FirstByte, Hello: p.Boot.Asked})
		slowest.FirstByte, slowest.Hello = max(slowest.FirstByte, d.FirstByte), max(slowest.Hello, d.Hello)
	}
	return slowest
}

// of adds to what is said on which machine it is so, where there are several.
func of(what, node string) string {
	if node == "" {
		return what
	}
	return what + " on " + node
}
