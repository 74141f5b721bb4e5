package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/fleetfall/fleetfall/internal/process"
	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt"
	"github.com/fleetfall/fleetfall/scenarios"
	"github.com/fleetfall/fleetfall/vmimages"
)

// closeWithin bounds the time that a hundred hosts and their daemon have to end.
const closeWithin = time.Minute

// A testbed is what fleets are measured on: one hypervisor with a daemon of its own, as a run has it.
type testbed struct {
	hypervisor *libvirt.Hypervisor
	image      vmimages.Image
	work       string            // directory that all of its processes have in their command lines
	machine    admission.Machine // as it was before any host
	daemon     process.ID
}

func openTestbed(ctx context.Context, image vmimages.Image) (_ *testbed, err error) {
	t := &testbed{image: image}
	// Also raises the limit on open files, which the daemon then has too.
	if t.machine, err = admission.ThisMachine(); err != nil {
		return nil, err
	}
	id := fmt.Sprint("bench", os.Getpid())
	t.work = filepath.Join(libvirt.DefaultWorkRoot(), id)
	t.hypervisor, err = libvirt.Open(ctx, libvirt.Config{RunID: id, Cache: vmimages.DefaultCache(), Log: zerolog.Nop()})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closing(ctx, t.hypervisor.Close))
		}
	}()
	if _, err := t.hypervisor.Probe(ctx, image); err != nil {
		return nil, err
	}
	daemons, err := t.find("libvirtd")
	if err != nil {
		return nil, err
	}
	if len(daemons) != 1 {
		return nil, fmt.Errorf("%d libvirtd with %s in their command line, want 1", len(daemons), t.work)
	}
	t.daemon = daemons[0].ID
	return t, nil
}

// describe tells what the figures were measured on.
func (t *testbed) describe() string {
	f := t.hypervisor.Facts()
	how := "emulated (" + f.Accelerator.Name + ")"
	if f.Accelerator.Name == libvirt.KVM {
		how = "run by KVM"
	}
	return fmt.Sprintf("%d CPUs (%s), %d GiB of memory, guests %s, QEMU %s, libvirt %s", runtime.NumCPU(), f.CPU,
		(t.machine.Total+1<<29)>>30, how, f.QEMU, f.Libvirt)
}

// hosts are the hosts that the scenario hundred has of an architecture, when it is told to have n of each.
func hosts(ctx context.Context, architecture string, n int) ([]fleet.HostSpec, error) {
	plan, diags := scenarios.LoadFile(ctx, "hundred", scenarios.Options{Vars: map[string]string{"hosts": strconv.Itoa(n)}})
	if diags.HasErrors() {
		return nil, diags
	}
	for _, trial := range orchestrator.Trials(plan, nil) {
		if trial.Cell.Fleet.Architecture == architecture && !trial.Cell.Fleet.Control {
			return trial.Hosts, nil
		}
	}
	return nil, fmt.Errorf("scenario hundred has no fleet of %s hosts", architecture)
}

// prepare makes the template of hosts like this one.
func (t *testbed) prepare(ctx context.Context, h fleet.HostSpec) (libvirt.Preparation, error) {
	p, err := t.hypervisor.Prepare(ctx, t.image, h, fleet.WallClock)
	if err == nil && !p.Copies {
		err = errors.New("hosts cannot be copied here: " + p.Reason)
	}
	return p, err
}

func (t *testbed) newFleet(cell string, hosts []fleet.HostSpec) (fleet.Fleet, error) {
	images := map[string]vmimages.Image{t.image.Name: t.image}
	return t.hypervisor.NewFleet(libvirt.FleetConfig{Cell: cell, Hosts: hosts, Images: images})
}

// A cost is what starting a fleet took.
type cost struct {
	wall time.Duration
	cpu  used
}

// start boots all hosts of a fleet that are off, and waits until the agent of the last one runs.
func (t *testbed) start(ctx context.Context, f fleet.Fleet, hosts []fleet.HostSpec) (cost, error) {
	before, err := t.used()
	if err != nil {
		return cost{}, err
	}
	begin := time.Now()
	for _, h := range hosts {
		if err := f.Do(ctx, fleet.Boot{Host: h.Name, Mode: fleet.Normal}); err != nil {
			return cost{}, err
		}
	}
	// An agent that was late for the hello is seen in a beat.
	err = awaitEach(ctx, f, len(hosts), func(what fleet.Happening) bool {
		switch w := what.(type) {
		case fleet.Hello:
			return w.AgentState == "running"
		case fleet.Beat:
			return w.AgentState == "running"
		}
		return false
	})
	if err != nil {
		return cost{}, fmt.Errorf("start %d hosts: %w", len(hosts), err)
	}
	wall := time.Since(begin)
	after, err := t.used()
	return cost{wall, after.since(before)}, err
}

// Used is CPU time, by who used it.
type used struct{ own, daemon, guests time.Duration }

func (u used) all() time.Duration { return u.own + u.daemon + u.guests }

func (u used) since(before used) used {
	return used{u.own - before.own, u.daemon - before.daemon, u.guests - before.guests}
}

// used is what this process, the daemon and the QEMUs that run have used since each was started, with what they started
// themselves and waited for. What QEMUs used that have ended is not known.
func (t *testbed) used() (u used, err error) {
	if u.own, err = cpuTime(os.Getpid()); err != nil {
		return u, err
	}
	if u.daemon, err = cpuTime(t.daemon.PID); err != nil {
		return u, err
	}
	qemus, err := t.qemus()
	for _, p := range qemus {
		d, err := cpuTime(p.PID)
		if err != nil {
			return u, err
		}
		u.guests += d
	}
	return u, err
}

// qemus are the VMs that run.
func (t *testbed) qemus() ([]process.Running, error) {
	return t.find("qemu-system-x86_64", "qemu-kvm", "kvm")
}

// find finds processes of this testbed that run one of these programs.
func (t *testbed) find(programs ...string) ([]process.Running, error) {
	return process.Find(func(args []string) bool {
		return slices.Contains(programs, filepath.Base(args[0])) &&
			slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, t.work+"/") })
	})
}

// await waits for an event of a fleet in which no host may fail.
func await(ctx context.Context, f fleet.Fleet, want func(fleet.Event) bool) error {
	for {
		e, err := f.Next(ctx)
		if err != nil {
			return err
		}
		switch w := e.What.(type) {
		case fleet.InfraFailed:
			return &fleet.InfraError{Host: e.Host, Op: w.Op, Err: errors.New(w.Reason)}
		case fleet.BootFailed:
			return fmt.Errorf("host %s did not boot: %s", e.Host, w.Reason)
		case fleet.Panic:
			return fmt.Errorf("host %s panicked: %s", e.Host, w.Title)
		}
		if want(e) {
			return nil
		}
	}
}

// awaitEach waits until something has been seen of each of a fleet's hosts.
func awaitEach(ctx context.Context, f fleet.Fleet, hosts int, want func(fleet.Happening) bool) error {
	seen := map[string]bool{}
	err := await(ctx, f, func(e fleet.Event) bool {
		if want(e.What) {
			seen[e.Host] = true
		}
		return len(seen) == hosts
	})
	if err != nil {
		return fmt.Errorf("after %d of %d hosts: %w", len(seen), hosts, err)
	}
	return nil
}

// closing calls a Close also when ctx has ended, within bounds of its own.
func closing(ctx context.Context, close func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	return close(ctx)
}
