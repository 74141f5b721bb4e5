package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/scenarios"
)

// idleFor is how long a fleet is watched that does nothing but what its scenario has it do.
const idleFor = 20 * time.Second

// hundred starts n hosts of each of two architectures in one fleet, and then leaves them alone.
func hundred(ctx context.Context, t *testbed, n int) (_ []row, err error) {
	var all []fleet.HostSpec
	need := admission.Need{Cell: "hundred", Measured: true}
	for _, architecture := range []string{"kernel", "user"} {
		some, err := hosts(ctx, architecture, n)
		if err != nil {
			return nil, err
		}
		p, err := t.prepare(ctx, some[0])
		if err != nil {
			return nil, err
		}
		need.Guest, need.Overhead = max(need.Guest, some[0].MemoryBytes), max(need.Overhead, p.Overhead)
		all = append(all, some...)
	}
	name := fmt.Sprintf("%d hosts with a running agent, half kernel and half user, as copies", len(all))
	need.Hosts, need.Measured = len(all), need.Overhead > 0
	need.Overhead = cmp.Or(need.Overhead, int64(scenarios.EmulatedVMs().HostOverhead))
	var refusal *admission.Refusal
	_, err = admission.Admit([]admission.Need{need}, []admission.Machine{t.machine}, t.machine.Files)
	if errors.As(err, &refusal) {
		return []row{{name, refusal.Error(), "", skipped}}, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := t.newFleet("hundred", all)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closing(ctx, f.Close)) }()
	started, err := t.start(ctx, f, all)
	if err != nil {
		return nil, err
	}
	left, err := t.idle(ctx, f, len(all))
	if err != nil {
		return nil, err
	}
	return append([]row{{name, each(started.wall, len(all)), "", none}}, left...), nil
}

// idle measures a fleet of which every host is up.
func (t *testbed) idle(ctx context.Context, f fleet.Fleet, hosts int) ([]row, error) {
	// What a guest does once, at its start, is over with its first beat.
	if err := awaitEach(ctx, f, hosts, func(w fleet.Happening) bool { _, ok := w.(fleet.Beat); return ok }); err != nil {
		return nil, fmt.Errorf("await a beat: %w", err)
	}
	before, err := t.used()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	const tag = "idle"
	f.After(idleFor, tag)
	if err := await(ctx, f, func(e fleet.Event) bool { return e.What == fleet.TimerFired{Tag: tag} }); err != nil {
		return nil, fmt.Errorf("leave %d hosts alone: %w", hosts, err)
	}
	wall := time.Since(begin)
	after, err := t.used()
	if err != nil {
		return nil, err
	}
	mean, most, err := t.memoryEach(hosts)
	if err != nil {
		return nil, err
	}
	return idleRows(hosts, wall, after.since(before), mean, most), nil
}

// memoryEach is the proportional memory of a QEMU, in bytes: the mean, and the most of any.
func (t *testbed) memoryEach(hosts int) (mean, most int64, err error) {
	qemus, err := t.qemus()
	if err != nil {
		return 0, 0, err
	}
	if len(qemus) != hosts {
		return 0, 0, fmt.Errorf("%d QEMUs run for %d hosts", len(qemus), hosts)
	}
	for _, p := range qemus {
		pss, err := proportionalMemory(p.PID)
		if err != nil {
			return 0, 0, err
		}
		mean, most = mean+pss, max(most, pss)
	}
	return mean / int64(hosts), most, nil
}

// idleRows are the rows of a fleet that was left alone for as long as wall, and used this CPU time. Memory is in bytes.
func idleRows(hosts int, wall time.Duration, cpu used, mean, most int64) []row {
	const (
		mostMemory = 45 << 20
		mostCores  = 1.0
		mostOwn    = 0.05
	)
	cores, part := ratio(cpu.all(), wall), ratio(cpu.own, cpu.all())
	return []row{
		{
			"proportional memory of each of them, mean",
			fmt.Sprintf("%.1f MiB (the largest %.1f)", float64(mean)/(1<<20), float64(most)/(1<<20)),
			"at most 45 MiB", held(mean <= mostMemory),
		},
		{
			fmt.Sprintf("CPUs that %d idle hosts keep busy, with the daemon and this process", hosts),
			fmt.Sprintf("%.2f, over %.0f s", cores, wall.Seconds()), "at most 1", held(cores <= mostCores),
		},
		{
			"this process's part of that", fmt.Sprintf("%.1f %%", 100*part), "at most 5 %", held(part <= mostOwn),
		},
	}
}
