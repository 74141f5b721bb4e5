package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// starts compares three ways to start the same hosts: as copies of a template, by cold boots, and by cold boots as a loop
// of virsh create does them.
func starts(ctx context.Context, t *testbed, n int) (rows []row, err error) {
	cold, err := hosts(ctx, "kernel", n)
	if err != nil {
		return nil, err
	}
	for i := range cold {
		// Nothing but the start is to be measured.
		cold[i].Tempo = fleet.Tempo{Beat: time.Minute, Poll: time.Minute, Work: time.Minute, Threat: time.Minute}
		cold[i].Cold = true
	}
	copies := slices.Clone(cold)
	for i := range copies {
		copies[i].Cold = false
	}
	if _, err := t.prepare(ctx, copies[0]); err != nil {
		return nil, err
	}
	// The machine may be busier at one time than at another: copies, which take seconds, are started before, between and
	// after what takes minutes.
	var byCopy []cost
	var byBoot, byShell cost
	for _, slow := range []func() (err error){
		func() (err error) { byBoot, err = t.startFleet(ctx, cold); return err },
		func() (err error) { byShell, err = t.startByShell(ctx, cold); return err },
		func() error { return nil },
	} {
		c, err := t.startFleet(ctx, copies)
		if err != nil {
			return nil, err
		}
		byCopy = append(byCopy, c)
		if err := slow(); err != nil {
			return nil, err
		}
	}
	return startRows(n, medianCost(byCopy), byBoot, byShell), nil
}

// startFleet starts a fleet that is gone afterwards.
func (t *testbed) startFleet(ctx context.Context, hosts []fleet.HostSpec) (_ cost, err error) {
	f, err := t.newFleet("bench", hosts)
	if err != nil {
		return cost{}, err
	}
	defer func() { err = errors.Join(err, closing(ctx, f.Close)) }()
	return t.start(ctx, f, hosts)
}

// medianCost is the median of the times, and the CPU time of the start that has the median of that.
func medianCost(all []cost) cost {
	by := func(of func(cost) time.Duration) cost {
		sorted := slices.SortedFunc(slices.Values(all), func(a, b cost) int { return cmp.Compare(of(a), of(b)) })
		return sorted[len(sorted)/2]
	}
	return cost{by(wallTime).wall, by(cpuTotal).cpu}
}

func wallTime(c cost) time.Duration { return c.wall }
func cpuTotal(c cost) time.Duration { return c.cpu.all() }

// startRows are the rows of n hosts. Copies are promised to be ten times better than cold boots.
func startRows(n int, byCopy, byBoot, byShell cost) []row {
	const promise = 10
	cpu := byCopy.cpu
	who := fmt.Sprintf(", of which QEMU %.0f %%, libvirtd %.0f %%", 100*ratio(cpu.guests, cpu.all()), 100*ratio(cpu.daemon, cpu.all()))
	var rows []row
	for _, m := range []struct {
		what, better, more string
		of                 func(cost) time.Duration
	}{
		{"", "sooner", "", wallTime},
		{", CPU time", "less", who, cpuTotal},
	} {
		copied, booted, looped := m.of(byCopy), m.of(byBoot), m.of(byShell)
		gain := ratio(booted, copied)
		rows = append(rows,
			row{
				fmt.Sprintf("%d hosts until the last agent runs: copies of a template against cold boots%s", n, m.what),
				fmt.Sprintf("%.1f x %s (%s%s; cold %s)", gain, m.better, each(copied, n), m.more, each(booted, n)),
				fmt.Sprintf("at least %d x", promise), held(gain >= promise),
			},
			row{
				fmt.Sprintf("the same hosts by a shell loop of virsh create%s", m.what),
				fmt.Sprintf("%.1f x that of copies, %.2f x that of cold boots (%s)",
					ratio(looped, copied), ratio(looped, booted), each(looped, n)),
				"", none,
			})
	}
	return rows
}

// each tells a time that n hosts took together.
func each(d time.Duration, n int) string {
	return fmt.Sprintf("%.2f s, %d ms a host", d.Seconds(), (d / time.Duration(n)).Milliseconds())
}

func ratio(a, b time.Duration) float64 { return a.Seconds() / b.Seconds() }
