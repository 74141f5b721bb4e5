package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/health"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt"
	"github.com/fleetfall/fleetfall/orchestrator/recovery"
	"github.com/fleetfall/fleetfall/scenarios"
	"github.com/fleetfall/fleetfall/vmimages"
)

// What is measured on the virtual clock, and for how long.
const (
	watchFor    = 15 * time.Second       // of the wall clock
	loopRestart = time.Minute            // from a panic to the next boot: a dump is written, and firmware runs
	askEvery    = 100 * time.Millisecond // of a host that does nothing but ask
	outageLasts = 90 * time.Minute
	outageHosts = 20
)

// outageTempo is that of a fleet over hours, in the field's order of magnitude.
var outageTempo = fleet.Tempo{Beat: 10 * time.Second, Poll: 30 * time.Second, Work: 30 * time.Second, Threat: 30 * time.Second}

const benchMemory = 96 << 20

// A measurement gives rows of fleets of n hosts, or of as many as it needs.
type measurement func(ctx context.Context, t *testbed, n int) ([]row, error)

// virtual lists what is measured on the virtual clock.
func virtual() (all []measurement) {
	for _, hosts := range []int{1, 10, 50} {
		for _, looping := range []bool{false, true} {
			all = append(all, onVirtualClock(func(ctx context.Context, t *testbed) (row, error) { return t.pace(ctx, hosts, looping) }))
		}
	}
	return append(all, onVirtualClock(question), onVirtualClock(outage))
}

// onVirtualClock measures something where there is one.
func onVirtualClock(measure func(context.Context, *testbed) (row, error)) measurement {
	return func(ctx context.Context, t *testbed, _ int) ([]row, error) {
		if err := t.hypervisor.CanCount(); err != nil {
			return []row{{"the virtual clock", err.Error(), "", skipped}}, nil
		}
		p, err := t.hypervisor.Prepare(ctx, t.image, fleet.HostSpec{Image: t.image.Name, Architecture: "kernel", MemoryBytes: benchMemory}, fleet.VirtualClock)
		if err == nil && !p.Copies {
			err = errors.New("hosts cannot be copied here: " + p.Reason)
		}
		if err != nil {
			return nil, err
		}
		r, err := measure(ctx, t)
		return []row{r}, err
	}
}

// A world is a fleet on the virtual clock, and what has happened in it.
type world struct {
	fleet.Fleet
	names []string
	now   time.Duration
}

// virtualFleet makes a fleet and waits until each of its hosts has beaten.
func (t *testbed) virtualFleet(ctx context.Context, n int, tempo fleet.Tempo) (_ *world, err error) {
	cfg := libvirt.FleetConfig{Cell: "virtual", Clock: fleet.VirtualClock, Seed: 1, Images: map[string]vmimages.Image{t.image.Name: t.image}}
	for i := range n {
		cfg.Hosts = append(cfg.Hosts, fleet.HostSpec{
			Name: fmt.Sprintf("host-%02d", i), Architecture: "kernel", Image: t.image.Name, MemoryBytes: benchMemory, Tempo: tempo,
		})
	}
	w := &world{}
	if w.Fleet, err = t.hypervisor.NewFleet(cfg); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closing(ctx, w.Close))
		}
	}()
	for _, h := range cfg.Hosts {
		w.names = append(w.names, h.Name)
		if err := w.Do(ctx, fleet.Boot{Host: h.Name, Mode: fleet.Normal}); err != nil {
			return nil, err
		}
	}
	return w, awaitEach(ctx, w, n, func(what fleet.Happening) bool { _, ok := what.(fleet.Beat); return ok })
}

// next takes the next event, in a fleet that the testbed may not fail.
func (w *world) next(ctx context.Context) (fleet.Event, error) {
	e, err := w.Next(ctx)
	if err != nil {
		return e, err
	}
	w.now = e.At
	if f, ok := e.What.(fleet.InfraFailed); ok {
		return e, &fleet.InfraError{Host: e.Host, Op: f.Op, Err: errors.New(f.Reason)}
	}
	return e, nil
}

// serve offers hosts content that is harmless, or takes them down.
func (w *world) serve(ctx context.Context, hosts []string, version uint64, fault string) error {
	kind, err := content.FindFault(fault)
	if err != nil {
		return err
	}
	_, key := content.TestVendorKey()
	file, err := kind.Update(version, 1, nil, key)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if err := w.Do(ctx, fleet.Offer(version, file).To(h)); err != nil {
			return err
		}
	}
	return nil
}

// pace measures how fast time passes for n hosts that are left alone or, with content that takes them down at each
// boot, in boot loops.
func (t *testbed) pace(ctx context.Context, n int, looping bool) (_ row, err error) {
	w, err := t.virtualFleet(ctx, n, outageTempo)
	if err != nil {
		return row{}, err
	}
	defer func() { err = errors.Join(err, closing(ctx, w.Close)) }()
	what := "idle"
	down := map[string]bool{}
	if looping {
		what = fmt.Sprintf("in boot loops, %v from a panic to the next boot", loopRestart)
		if err := w.serve(ctx, w.names, 2, "field_count"); err != nil {
			return row{}, err
		}
	}
	var begin time.Time
	var from time.Duration
	boots := 0
	for {
		e, err := w.next(ctx)
		if err != nil {
			return row{}, err
		}
		switch what := e.What.(type) {
		case fleet.Panic:
			down[e.Host] = true
			w.After(loopRestart, e.Host)
		case fleet.TimerFired:
			boots++
			if err := w.Do(ctx, fleet.Reset{Host: what.Tag}); err != nil {
				return row{}, err
			}
		}
		switch {
		case looping && len(down) < n:
		case begin.IsZero():
			begin, from, boots = time.Now(), w.now, 0
		case time.Since(begin) > watchFor:
			passed, took := w.now-from, time.Since(begin)
			measured := fmt.Sprintf("%.0f (%.0f of all hosts together)", ratio(passed, took), float64(n)*ratio(passed, took))
			if looping {
				measured += fmt.Sprintf(", %.1f boots a wall second", float64(boots)/took.Seconds())
			}
			return row{fmt.Sprintf("virtual seconds a wall second, %d hosts %s", n, what), measured, "", none}, nil
		}
	}
}

// question measures what a request takes, with all that a guest does between two of them.
func question(ctx context.Context, t *testbed) (_ row, err error) {
	const most = 3 * time.Millisecond
	w, err := t.virtualFleet(ctx, 1, fleet.Tempo{Beat: askEvery, Poll: time.Hour, Work: time.Hour, Threat: time.Hour})
	if err != nil {
		return row{}, err
	}
	defer func() { err = errors.Join(err, closing(ctx, w.Close)) }()
	begin, beats := time.Now(), 0
	for time.Since(begin) < watchFor {
		e, err := w.next(ctx)
		if err != nil {
			return row{}, err
		}
		if _, ok := e.What.(fleet.Beat); ok {
			beats++
		}
	}
	each := time.Since(begin) / time.Duration(max(1, beats))
	return row{
		"wall time a request on the virtual clock, the guest's part included", fmt.Sprintf("%.2f ms, over %d", each.Seconds()*1e3, beats),
		"at most 3 ms", held(each <= most),
	}, nil
}

// outage measures 90 minutes of a fleet of which half boot-loops until a technician comes.
func outage(ctx context.Context, t *testbed) (_ row, err error) {
	const times = 20 // sooner than on the wall clock
	policy, err := recovery.New(scenarios.Recovery{
		Name: "technicians", Strategy: "safe_mode", Technicians: 2, Notice: scenarios.Duration(5 * time.Minute), Restart: scenarios.Duration(loopRestart),
		HandsOn: scenarios.Distribution{Kind: "lognormal", A: scenarios.Duration(10 * time.Minute), P: 0.3},
	}, recovery.Fleet{Hosts: outageHosts, Chance: func(host, n uint32) *rand.Rand { return rand.New(rand.NewPCG(uint64(host), uint64(n))) }})
	if err != nil {
		return row{}, err
	}
	begin := time.Now()
	w, err := t.virtualFleet(ctx, outageHosts, outageTempo)
	if err != nil {
		return row{}, err
	}
	defer func() { err = errors.Join(err, closing(ctx, w.Close)) }()
	hosts := health.NewFleet(w.names, health.Limits{Liveness: time.Minute, Latency: time.Minute})
	timers, orders := map[string]recovery.Timer{}, uint64(0)
	if err := w.serve(ctx, w.names[:outageHosts/2], 2, "field_count"); err != nil {
		return row{}, err
	}
	const pulled = "the vendor pulls it"
	w.After(2*time.Minute, pulled)
	panics, back := 0, map[string]bool{}
	for w.now < outageLasts {
		e, err := w.next(ctx)
		if err != nil {
			return row{}, err
		}
		switch what := e.What.(type) {
		case fleet.Panic:
			panics++
			delete(back, e.Host)
		case fleet.Beat:
			back[e.Host] = true
		case fleet.TimerFired:
			if what.Tag == pulled {
				if err := w.serve(ctx, w.names, 3, "none"); err != nil {
					return row{}, err
				}
			}
		}
		acts := policy.Observe(hosts.Observe(e))
		if fired, ok := e.What.(fleet.TimerFired); ok {
			if t, ok := timers[fired.Tag]; ok {
				acts = append(acts, policy.Fired(t)...)
			}
		}
		for _, a := range acts {
			name := hosts.Name(a.Host)
			switch a.Do {
			case recovery.Wait:
				timers[a.Timer.Tag(name)] = a.Timer
				w.After(a.Wait, a.Timer.Tag(name))
				continue
			case recovery.Tell:
				orders++
				a.Order.ID = orders
			}
			if err := w.Do(ctx, a.Action(name)); err != nil {
				return row{}, err
			}
		}
	}
	wall := time.Since(begin)
	if len(back) != outageHosts || panics < outageHosts/2 {
		return row{}, fmt.Errorf("an outage with %d panics after which %d of %d hosts are up", panics, len(back), outageHosts)
	}
	gain := ratio(outageLasts, wall)
	return row{
		fmt.Sprintf("90 minutes of %d hosts of which half boot-loop until a technician comes, %d panics, against the wall clock", outageHosts, panics),
		fmt.Sprintf("%.1f x sooner (%.1f min)", gain, wall.Minutes()), fmt.Sprintf("at least %d x", times), held(gain >= times),
	}, nil
}
