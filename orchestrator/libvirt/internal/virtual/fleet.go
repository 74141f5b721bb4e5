// Package virtual is a fleet of VMs on the virtual clock: each VM counts its instructions, and stands still while it
// is answered. Everything is decided by whoever calls Next, in the order of the hosts' clocks.
package virtual

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/fleetfall/fleetfall/orchestrator/cosim"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/inbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// Lookahead is how long it takes on the virtual clock until what is decided reaches a host: an action, content to be
// served, an order. What one host does at t, others can feel from t + Lookahead on. It is what allows hosts to run
// side by side, and it is short against all that people and updaters do.
const Lookahead = 100 * time.Millisecond

// lookEvery is how often, on the wall clock, the clocks of hosts are looked at that others have waited for all the
// while. A look costs QEMU as much as a dozen questions, and those who do not ask are few: they hang, or boot cold.
// Meanwhile they run on.
const lookEvery = 500 * time.Millisecond

// A Fleet is a fleet.Fleet of VMs on the virtual clock. Everything is decided by whoever calls Next; each host's VM
// is made and ended by a goroutine of the host's own.
type Fleet struct {
	site        *vm.Site
	cfg         vm.FleetConfig
	caps        fleet.Caps
	accelerator string
	limit       time.Duration // for a hello, see vm.FleetConfig
	log         zerolog.Logger
	hosts       map[string]*host
	running     map[*vm.Machine]*host // whose present machine it is
	inbox       *inbox.Inbox[fleetMessage]
	looks       *time.Ticker // when to look, see lookEvery
	oomKills    int          // of this machine's kernel when the fleet was made

	date func(*vm.Machine) // has the clock read of a machine that has panicked: a stoodAt comes of it

	turn  sync.Mutex // held by who decides
	clock *cosim.Coordinator[happening]

	ctx    context.Context // ends when the fleet is closed
	cancel context.CancelFunc
	alive  sync.WaitGroup
	ended  chan struct{}
	once   sync.Once
}

// A happening is an event to be told, or something to be done, at a time of the fleet's.
type happening struct {
	boot int // of the host; it does not happen any more in a later one
	what fleet.Happening
	do   func()
}

// anyBoot is the number of a happening that concerns the host itself.
const anyBoot = -1

// New makes a fleet of VMs that are off. The configuration has been checked, and that they can count.
func New(s *vm.Site, cfg vm.FleetConfig, caps fleet.Caps) (_ *Fleet, err error) {
	f := &Fleet{
		site: s, cfg: cfg, caps: caps, accelerator: s.Executes(),
		limit: cmp.Or(cfg.HelloTimeout, vm.DefaultHello), log: s.Log.With().Str("cell", cfg.Cell).Logger(),
		hosts: map[string]*host{}, running: map[*vm.Machine]*host{}, inbox: inbox.New[fleetMessage](),
		clock: cosim.New[happening](Lookahead), ended: make(chan struct{}),
		looks: time.NewTicker(lookEvery), oomKills: qemu.OOMKills(),
	}
	f.date = f.readLast
	number, err := s.Join(f)
	if err != nil {
		return nil, fmt.Errorf("fleet %s: %w", cfg.Cell, err)
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	for i, spec := range cfg.Hosts {
		host, err := newHost(f, uint32(i), spec, fmt.Sprintf("%s%d-%s", qemu.DomainPrefix(s.RunID), number, spec.Name))
		if err != nil {
			for _, made := range f.hosts {
				err = errors.Join(err, made.log.Close())
			}
			f.cancel()
			s.Forget(f)
			return nil, fmt.Errorf("fleet %s: %w", cfg.Cell, err)
		}
		f.hosts[spec.Name] = host
	}
	for _, host := range f.hosts {
		f.alive.Go(func() { host.work(f.ctx) })
	}
	return f, nil
}

// DomainOf is what libvirt calls a host.
func (f *Fleet) DomainOf(host string) string { return f.hosts[host].domainName }

// Caps implements fleet.Fleet.
func (f *Fleet) Caps() fleet.Caps { return f.caps }

// Do implements fleet.Fleet. What it asks for reaches the host after the lookahead.
func (f *Fleet) Do(ctx context.Context, a fleet.Action) error {
	h := f.hosts[a.Target()]
	if err := vm.Accept(ctx, f.ctx, a, h != nil, f.caps); err != nil {
		return err
	}
	f.turn.Lock()
	defer f.turn.Unlock()
	at := f.clock.Visible()
	switch a := a.(type) {
	case fleet.Boot:
		h.power(at, func() { h.boot(at, a.Mode) })
	case fleet.Reset:
		h.power(at, func() { h.boot(at, h.mode) })
	case fleet.PowerOff:
		h.power(at, func() {
			h.powerOff()
			f.clock.Put(at, a.Host, happening{boot: anyBoot, what: fleet.PoweredOff{Reason: "requested"}})
		})
	case fleet.Serve:
		if err := guestlink.CheckServe(a); err != nil {
			return err
		}
		h.change(at, func() { _ = h.service.Serve(a) })
	case fleet.Tell:
		if err := guestlink.CheckTell(a); err != nil {
			return err
		}
		h.change(at, func() {
			if err := h.service.Tell(a); err != nil {
				f.log.Warn().Err(err).Str("host", a.Host).Msg("an order is not given")
			}
		})
	}
	return nil
}

// After implements fleet.Fleet.
func (f *Fleet) After(d time.Duration, tag string) {
	f.turn.Lock()
	defer f.turn.Unlock()
	f.clock.Put(f.clock.Now()+d, "", happening{boot: anyBoot, what: fleet.TimerFired{Tag: tag}})
}

// Next implements fleet.Fleet. It advances the fleet's clock: hosts run while it waits.
func (f *Fleet) Next(ctx context.Context) (fleet.Event, error) {
	for {
		if f.ctx.Err() != nil {
			return fleet.Event{}, fleet.ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return fleet.Event{}, err
		}
		if e, ok := f.advance(); ok {
			return e, nil
		}
		select {
		case <-f.inbox.Ready:
		case <-f.site.Line.Lost():
			return fleet.Event{At: f.clock.Now(), What: fleet.InfraFailed{Op: "watch domains", Reason: f.site.Line.Reason().Error()}}, nil
		case <-f.looks.C:
			f.look()
		case <-ctx.Done():
		case <-f.ctx.Done():
		}
	}
}

// advance does all that can be done now, up to the next event; nothing when the fleet is closed.
func (f *Fleet) advance() (fleet.Event, bool) {
	f.turn.Lock()
	defer f.turn.Unlock()
	if f.ctx.Err() != nil {
		return fleet.Event{}, false
	}
	for {
		for m, ok := f.inbox.Take(); ok; m, ok = f.inbox.Take() {
			f.hear(m)
		}
		item, ok := f.clock.Take()
		if !ok {
			name, at, ok := f.clock.Answerable()
			if !ok {
				return fleet.Event{}, false
			}
			f.hosts[name].answer(at)
			continue
		}
		if h := f.hosts[item.Host]; h != nil && item.What.boot != anyBoot && item.What.boot != h.boots {
			continue // of a boot that is over
		}
		if item.What.do != nil {
			item.What.do()
		}
		if item.What.what != nil {
			return fleet.Event{At: item.At, Host: item.Host, What: item.What.what}, true
		}
	}
}

// look asks for the time of hosts that others wait for: one that boots, or hangs, says nothing of it itself.
func (f *Fleet) look() {
	f.turn.Lock()
	defer f.turn.Unlock()
	if f.ctx.Err() != nil {
		return
	}
	for _, name := range f.clock.Waited() {
		f.hosts[name].look()
	}
}

// Close implements fleet.Fleet. When ctx ends before everything is gone it says so; it can then be called again.
func (f *Fleet) Close(ctx context.Context) error {
	f.once.Do(func() {
		f.turn.Lock() // nobody answers a guest whose memory is being given back: that begins here, and who has the turn next looks
		f.cancel()
		f.turn.Unlock()
		f.looks.Stop()
		go func() {
			defer close(f.ended)
			f.alive.Wait()
			f.site.Forget(f)
		}()
	})
	select {
	case <-f.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close fleet %s: %w", f.cfg.Cell, ctx.Err())
	}
}
