package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/fleet/fleettest"
	"github.com/fleetfall/fleetfall/scenarios"
	"github.com/fleetfall/fleetfall/vmimages"
)

// eventFleets are the sizes of fleets between which the cost of an event is compared, and how often a trial of each is
// run so that as many hosts live in all of them.
var eventFleets = []fleetSize{{100, 100}, {1_000, 10}, {10_000, 1}}

type fleetSize struct{ hosts, trials int }

// eventCostMost is how much more an event may cost in the largest fleet than in the smallest.
const eventCostMost = 2.0

// eventCost compares what the orchestrator's part of an event costs in fleets of several sizes, in CPU time. Each host
// has the same life in all of them.
func eventCost(ctx context.Context, _ string, _ vmimages.Image) (row, error) {
	costs, err := eventTimes(ctx, eventFleets)
	if err != nil {
		return row{}, err
	}
	var told []string
	for i, s := range eventFleets {
		told = append(told, fmt.Sprintf("%d hosts: %v and %v", s.hosts, costs[i].own(), costs[i].fake))
	}
	times := ratio(costs[len(costs)-1].own(), costs[0].own())
	return row{
		"an event of a trial with 10,000 hosts / with 100, CPU time without the conformance fake's own",
		fmt.Sprintf("%.2f x (orchestrator and fake, %s)", times, strings.Join(told, ", ")),
		fmt.Sprintf("at most %g x", eventCostMost), held(times <= eventCostMost),
	}, nil
}

// An eventTime is the CPU time of an event: of a whole trial, and of its fleet of fakes alone.
type eventTime struct{ whole, fake time.Duration }

// own is the orchestrator's part.
func (c eventTime) own() time.Duration { return c.whole - c.fake }

// eventTimes are what an event costs in fleets of these sizes: medians of several runs, in turn.
func eventTimes(ctx context.Context, sizes []fleetSize) ([]eventTime, error) {
	tapes := make([]*tape, len(sizes))
	for i, s := range sizes {
		var err error
		if tapes[i], err = record(ctx, s.hosts); err != nil {
			return nil, err
		}
	}
	whole, fake := make([][]time.Duration, len(sizes)), make([][]time.Duration, len(sizes))
	for range pairs {
		for i, s := range sizes {
			w, err := tapes[i].cost(ctx, s.trials, tapes[i].run)
			if err != nil {
				return nil, err
			}
			f, err := tapes[i].cost(ctx, s.trials, tapes[i].play)
			if err != nil {
				return nil, err
			}
			whole[i], fake[i] = append(whole[i], w), append(fake[i], f)
		}
	}
	costs := make([]eventTime, len(sizes))
	for i := range costs {
		slices.Sort(whole[i])
		slices.Sort(fake[i])
		costs[i] = eventTime{whole[i][pairs/2], fake[i][pairs/2]}
	}
	return costs, nil
}

// A tape holds what a trial asked of its fleet, so that a fleet can be asked the same without the orchestrator.
type tape struct {
	fleet.Fleet // that is recorded, only while it is

	trial  orchestrator.Trial
	asked  []asked
	events int
}

// Asked is an action or, when that is nil, a timer.
type asked struct {
	after  int // events
	action fleet.Action
	wait   time.Duration
	tag    string
}

// Do implements fleet.Fleet.
func (t *tape) Do(ctx context.Context, a fleet.Action) error {
	t.asked = append(t.asked, asked{after: t.events, action: a})
	return t.Fleet.Do(ctx, a)
}

// After implements fleet.Fleet.
func (t *tape) After(d time.Duration, tag string) {
	t.asked = append(t.asked, asked{after: t.events, wait: d, tag: tag})
	t.Fleet.After(d, tag)
}

// Next implements fleet.Fleet.
func (t *tape) Next(ctx context.Context) (fleet.Event, error) {
	t.events++
	return t.Fleet.Next(ctx)
}

// record runs the kernel cell of channel-file-291 with so many hosts. They all end in boot loops, and for each four
// there is a technician.
func record(ctx context.Context, hosts int) (*tape, error) {
	plan, diags := scenarios.LoadFile(ctx, "channel-file-291", scenarios.Options{Vars: map[string]string{"repeat": "1"}})
	if diags.HasErrors() {
		return nil, diags
	}
	all := orchestrator.Trials(plan, nil)
	i := slices.IndexFunc(all, func(t orchestrator.Trial) bool { return t.Cell.Fleet.Name == "kernel" })
	if i < 0 {
		return nil, fmt.Errorf("channel-file-291 has no fleet kernel")
	}
	t := &tape{trial: all[i]}
	spec := t.trial.Hosts[0]
	t.trial.Hosts = nil
	for n := range hosts {
		spec.Name = fmt.Sprintf("kernel-%06d", n)
		t.trial.Hosts = append(t.trial.Hosts, spec)
	}
	t.trial.Cell.Recovery.Technicians = hosts / 4
	t.trial.Cell.Recovery.HandsOn = scenarios.Distribution{Kind: "fixed", A: scenarios.Duration(4 * time.Second)}
	t.Fleet = t.fake()
	defer func() { t.Fleet = nil }()
	panics := 0
	out, err := t.trial.Run(ctx, t, forgetful{}, func(p orchestrator.Progress) { panics = p.Panics })
	switch {
	case err != nil:
		return nil, err
	case out.Status != orchestrator.Settled:
		return nil, fmt.Errorf("a trial with %d hosts ended %s at %s: %s", hosts, out.Status, out.End, out.Reason)
	case panics < 2*hosts:
		return nil, fmt.Errorf("%d hosts panicked %d times: they are not in the boot loops that were to be orchestrated", hosts, panics)
	}
	return t, nil
}

func (t *tape) fake() fleet.Fleet {
	return fleettest.NewFake(t.trial.Hosts, fleettest.FakeOptions{Deadly: []uint64{11}}) // the version of every update
}

// run runs the trial.
func (t *tape) run(ctx context.Context, f fleet.Fleet) error {
	_, err := t.trial.Run(ctx, f, forgetful{}, nil)
	return err
}

// play asks a fleet what the trial asked of it.
func (t *tape) play(ctx context.Context, f fleet.Fleet) error {
	next := t.asked
	for events := 0; ; events++ {
		for ; len(next) > 0 && next[0].after == events; next = next[1:] {
			if a := next[0]; a.action == nil {
				f.After(a.wait, a.tag)
			} else if err := f.Do(ctx, a.action); err != nil {
				return err
			}
		}
		if events == t.events {
			return nil
		}
		if _, err := f.Next(ctx); err != nil {
			return err
		}
	}
}

// cost is the CPU time of an event when this is done to so many fleets, one after the other. They are made before.
func (t *tape) cost(ctx context.Context, fleets int, do func(context.Context, fleet.Fleet) error) (time.Duration, error) {
	made := make([]fleet.Fleet, fleets)
	for i := range made {
		made[i] = t.fake()
	}
	runtime.GC()
	before, err := cpuTime(os.Getpid())
	if err != nil {
		return 0, err
	}
	for i, f := range made {
		if err := do(ctx, f); err != nil {
			return 0, err
		}
		made[i] = nil
	}
	after, err := cpuTime(os.Getpid())
	return (after - before) / time.Duration(fleets*t.events), err
}

// A forgetful recorder keeps nothing.
type forgetful struct{}

func (forgetful) Event(fleet.Event) error                  { return nil }
func (forgetful) Action(time.Duration, fleet.Action) error { return nil }
func (forgetful) Mark(time.Duration, string) error         { return nil }
func (forgetful) End(time.Duration, string, string) error  { return nil }
