// Package wall is a fleet of VMs on the wall clock. One goroutine per host owns the host's state; others only feed it.
package wall

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/inbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/timers"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// maxWaiting is how many events may wait for Next before guests are kept waiting.
const maxWaiting = 4096

// A Fleet is a fleet.Fleet of VMs on the wall clock.
type Fleet struct {
	sites        vm.Sites
	cfg          vm.FleetConfig
	caps         fleet.Caps
	helloTimeout time.Duration
	firstByte    time.Duration
	liveness     time.Duration
	oomKills     int // of this machine's kernel when the fleet was made
	log          zerolog.Logger

	hosts  map[string]*host
	start  time.Time
	events *inbox.Inbox[fleet.Event]
	room   chan struct{} // receives when Next took an event
	timers *timers.Timers
	pulse  *pulse

	ctx    context.Context // ends when the fleet is closed: the life of the hosts' goroutines
	cancel context.CancelFunc
	alive  sync.WaitGroup
	ended  chan struct{} // closed when nothing is left
	once   sync.Once
}

// DomainOf is what libvirt calls a host.
func (f *Fleet) DomainOf(host string) string { return f.hosts[host].domainName }

// New makes a fleet of VMs that are off, under another accelerator than the machines' own if one is given. The
// configuration has been checked; caps are what it can do.
func New(on vm.Sites, cfg vm.FleetConfig, accelerator string, caps fleet.Caps) (_ *Fleet, err error) {
	f := &Fleet{
		sites: on, cfg: cfg, caps: caps,
		helloTimeout: cmp.Or(cfg.HelloTimeout, vm.DefaultHello), firstByte: cmp.Or(cfg.FirstByte, vm.DefaultFirstByte),
		liveness: cmp.Or(cfg.Liveness, vm.DefaultLiveness),
		log:      on[0].Log.With().Str("cell", cfg.Cell).Logger(),
		hosts:    make(map[string]*host), oomKills: qemu.OOMKills(), start: time.Now(),
		events: inbox.New[fleet.Event](), room: make(chan struct{}, 1), timers: timers.New(), ended: make(chan struct{}),
	}
	f.pulse = newPulse(f.liveness)
	number := map[*vm.Site]int{}
	for _, s := range on {
		if number[s], err = s.Join(f); err != nil {
			f.leave()
			return nil, fmt.Errorf("fleet %s: %w", cfg.Cell, err)
		}
	}
	for i, spec := range cfg.Hosts {
		log, err := guestlink.OpenConsoleLog(cfg.ConsoleDir, spec.Name)
		if err != nil {
			for _, made := range f.hosts {
				err = errors.Join(err, made.log.Close())
			}
			f.leave()
			return nil, fmt.Errorf("fleet %s: %w", cfg.Cell, err)
		}
		s := on.Of(spec.Node)
		f.hosts[spec.Name] = &host{
			fleet: f, site: s, slots: s.Slots(), spec: spec, image: cfg.Images[spec.Image], mode: fleet.Normal,
			inbox:       inbox.New[hostMessage](),
			domainName:  fmt.Sprintf("%s%d-%s", qemu.DomainPrefix(s.RunID), number[s], spec.Name),
			accelerator: cmp.Or(accelerator, s.Executes()),
			service:     service(cfg.Seed, uint32(i), spec), log: log, template: s.TemplateFor(spec, fleet.WallClock, fleet.Normal),
		}
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	for _, host := range f.hosts {
		f.alive.Go(func() { host.run(f.ctx) })
	}
	for _, s := range on {
		f.alive.Go(func() { f.watch(s) })
	}
	f.alive.Go(func() { f.timers.Run(f.ctx.Done()) })
	f.alive.Go(f.keepPulse)
	return f, nil
}

// service is that of the host with this number. What it draws for a boot is the seed's; its kernel's entropy is not: on
// the wall clock no boot is the same twice.
func service(seed uint64, number uint32, spec fleet.HostSpec) *guestlink.Service {
	var boots atomic.Int64
	return &guestlink.Service{Spec: spec, Self: func() guestlink.Self {
		return guestlink.Self{
			Now: time.Now(), Entropy: guestlink.Entropy(), Start: guestlink.Start(spec.Tempo, seed, number, int(boots.Add(1))),
		}
	}}
}

// leave undoes join.
func (f *Fleet) leave() {
	for _, s := range f.sites {
		s.Forget(f)
	}
}

// Caps implements fleet.Fleet.
func (f *Fleet) Caps() fleet.Caps { return f.caps }

// Do implements fleet.Fleet. It never waits for a VM. Reset of a host that is off boots it in the mode it was in last.
func (f *Fleet) Do(ctx context.Context, a fleet.Action) error {
	h := f.hosts[a.Target()]
	if err := vm.Accept(ctx, f.ctx, a, h != nil, f.caps); err != nil {
		return err
	}
	switch a := a.(type) {
	case fleet.Boot, fleet.Reset, fleet.PowerOff:
		h.inbox.Put(power{a})
	case fleet.Serve:
		return h.service.Serve(a)
	case fleet.Tell:
		return h.service.Tell(a)
	}
	return nil
}

// After implements fleet.Fleet.
func (f *Fleet) After(d time.Duration, tag string) {
	f.timers.After(d, func() { f.emit("", fleet.TimerFired{Tag: tag}) })
}

// Next implements fleet.Fleet.
func (f *Fleet) Next(ctx context.Context) (fleet.Event, error) {
	for {
		if f.ctx.Err() != nil {
			return fleet.Event{}, fleet.ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return fleet.Event{}, err
		}
		if e, ok := f.events.Take(); ok {
			select {
			case f.room <- struct{}{}:
			default:
			}
			return e, nil
		}
		select {
		case <-f.events.Ready:
		case <-ctx.Done():
		case <-f.ctx.Done():
		}
	}
}

// Close implements fleet.Fleet. When ctx ends before everything is gone it says so; it can then be called again.
func (f *Fleet) Close(ctx context.Context) error {
	f.once.Do(func() {
		f.cancel()
		go func() {
			defer close(f.ended)
			f.alive.Wait()
			f.leave()
		}()
	})
	select {
	case <-f.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close fleet %s: %w", f.cfg.Cell, ctx.Err())
	}
}

// emit delivers an event. It is stamped in the order in which events come out.
func (f *Fleet) emit(host string, what fleet.Happening) {
	f.beat() // before an event whose time would make silence of standing still
	f.events.PutStamped(func() fleet.Event {
		return fleet.Event{At: time.Since(f.start), Host: host, What: what}
	})
}

// beat tells when this process stood still for too long.
func (f *Fleet) beat() {
	if still, stood := f.pulse.beat(sinceBoot()); stood {
		f.events.PutStamped(func() fleet.Event { return fleet.Event{At: time.Since(f.start), What: stoodStill(still)} })
	}
}

// keepPulse beats until the fleet is closed.
func (f *Fleet) keepPulse() {
	again := time.NewTicker(f.pulse.every())
	defer again.Stop()
	for {
		select {
		case <-again.C:
			f.beat()
		case <-f.ctx.Done():
			return
		}
	}
}

// waitForRoom waits until the events that wait are few enough to add what a guest said; false when the fleet is closed.
func (f *Fleet) waitForRoom() bool {
	for f.events.Len() >= maxWaiting {
		select {
		case <-f.room:
		case <-f.ctx.Done():
			return false
		}
	}
	// Passed on: several guests may wait.
	select {
	case f.room <- struct{}{}:
	default:
	}
	return true
}

// watch reports that a machine was given up: nothing is seen of its hosts any more.
func (f *Fleet) watch(s *vm.Site) {
	select {
	case <-s.Line.Lost():
	case <-f.ctx.Done():
		return
	}
	if len(f.sites) == 1 {
		f.emit("", fleet.InfraFailed{Op: "watch domains", Reason: s.Line.Reason().Error()})
		return
	}
	for _, host := range f.hosts {
		if host.site == s {
			host.inbox.Put(abandoned{s.Line.Reason()})
		}
	}
}
