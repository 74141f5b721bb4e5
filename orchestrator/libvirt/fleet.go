package libvirt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/fleetfall/fleetfall/agents/architecture"
	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/inbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/timers"
	"github.com/fleetfall/fleetfall/vmimages"
)

// FleetConfig describes a fleet.
type FleetConfig struct {
	Cell         string      // what the fleet is for, shown by tools that list domains
	Clock        fleet.Clock // what the fleet's time is made of; "" is the wall clock
	Seed         uint64      // of the guests' entropy on the virtual clock
	Hosts        []fleet.HostSpec
	Images       map[string]vmimages.Image // by the name that HostSpec.Image has
	ConsoleDir   string                    // consoles are kept in <ConsoleDir>/<host>/console.log; "" keeps none
	MaxBoots     int                       // hosts that may be between Booting and Hello on one machine at a time; 0 is one per CPU
	HelloTimeout time.Duration             // from Booting to BootFailed; 0 is 60 s
	FirstByte    time.Duration             // from Booting to InfraFailed, for a host that boots and whose console is silent; 0 is 20 s
	Liveness     time.Duration             // after which a silent host counts as hung; one that could not be heard for so long is InfraFailed; 0 is 30 s
}

const (
	defaultHello     = 60 * time.Second
	defaultFirstByte = 20 * time.Second
	defaultLiveness  = 30 * time.Second
	maxWaiting       = 4096     // events that may wait for Next before guests are kept waiting
	minMemory        = 32 << 20 // bytes of a guest's memory
	maxMemory        = 64 << 30
)

var validHost = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// A vmFleet is a fleet.Fleet of VMs on the wall clock.
type vmFleet struct {
	machines     Machines
	cfg          FleetConfig
	accelerator  string
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

// Machines are what a fleet's hosts are spread over, by the node that each host's spec names.
type Machines []*Hypervisor

// NewFleet makes a fleet of VMs on this machine alone; see Machines.NewFleet.
func (h *Hypervisor) NewFleet(cfg FleetConfig) (fleet.Fleet, error) { return Machines{h}.NewFleet(cfg) }

// NewFleet makes a fleet of VMs that are off. It checks all that can be checked before a boot. The accelerator is what
// each machine's last Probe found, emulation if there was none.
func (m Machines) NewFleet(cfg FleetConfig) (fleet.Fleet, error) { return m.newVMs(cfg) }

// vms are a fleet of either kind.
type vms interface {
	fleet.Fleet
	domainOf(host string) string // what libvirt calls a host
}

func (m Machines) newVMs(cfg FleetConfig) (vms, error) {
	if cfg.Clock != fleet.VirtualClock {
		return newFleet(m, cfg, "")
	}
	if err := check(m, cfg); err != nil {
		return nil, fmt.Errorf("fleet %s: %w", cfg.Cell, err)
	}
	if err := m.CanCount(); err != nil {
		return nil, fmt.Errorf("fleet %s: %w", cfg.Cell, err)
	}
	return newVirtualFleet(m[0], cfg)
}

func (f *vmFleet) domainOf(host string) string { return f.hosts[host].domainName }

// newFleet is NewFleet, under another accelerator than the machines' own if one is given.
func newFleet(machines Machines, cfg FleetConfig, accelerator string) (_ *vmFleet, err error) {
	if err := check(machines, cfg); err != nil {
		return nil, fmt.Errorf("fleet %s: %w", cfg.Cell, err)
	}
	f := &vmFleet{
		machines: machines, cfg: cfg, accelerator: cmp.Or(accelerator, machines[0].Facts().Accelerator.Name),
		helloTimeout: cmp.Or(cfg.HelloTimeout, defaultHello), firstByte: cmp.Or(cfg.FirstByte, defaultFirstByte),
		liveness: cmp.Or(cfg.Liveness, defaultLiveness),
		log:      machines[0].log.With().Str("cell", cfg.Cell).Logger(),
		hosts:    make(map[string]*host), oomKills: qemu.OOMKills(), start: time.Now(),
		events: inbox.New[fleet.Event](), room: make(chan struct{}, 1), timers: timers.New(), ended: make(chan struct{}),
	}
	f.pulse = newPulse(f.liveness)
	number := map[*Hypervisor]int{}
	slots := map[*Hypervisor]chan struct{}{} // one item for each host that boots
	for _, h := range machines {
		if number[h], err = h.join(f); err != nil {
			f.leave()
			return nil, fmt.Errorf("fleet %s: %w", cfg.Cell, err)
		}
		slots[h] = make(chan struct{}, cmp.Or(cfg.MaxBoots, admission.BootsAtOnce(admission.Machine{CPUs: h.cpus})))
	}
	for _, spec := range cfg.Hosts {
		log, err := guestlink.OpenConsoleLog(cfg.ConsoleDir, spec.Name)
		if err != nil {
			for _, made := range f.hosts {
				err = errors.Join(err, made.log.Close())
			}
			f.leave()
			return nil, fmt.Errorf("fleet %s: %w", cfg.Cell, err)
		}
		h := machines.of(spec.Node)
		f.hosts[spec.Name] = &host{
			fleet: f, hypervisor: h, slots: slots[h], spec: spec, image: cfg.Images[spec.Image], mode: fleet.Normal, inbox: inbox.New[any](),
			domainName:  fmt.Sprintf("%s%d-%s", qemu.DomainPrefix(h.cfg.RunID), number[h], spec.Name),
			accelerator: cmp.Or(accelerator, h.Facts().Accelerator.Name),
			service:     &guestlink.Service{Spec: spec}, log: log, template: h.templateFor(spec, fleet.WallClock, fleet.Normal),
		}
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	for _, host := range f.hosts {
		f.alive.Go(func() { host.run(f.ctx) })
	}
	for _, h := range machines {
		f.alive.Go(func() { f.watch(h) })
	}
	f.alive.Go(func() { f.timers.Run(f.ctx.Done()) })
	f.alive.Go(f.keepPulse)
	return f, nil
}

// of returns the machine of this name; nil when there is none. The first is also the one without a name.
func (m Machines) of(node string) *Hypervisor {
	for _, h := range m {
		if h.cfg.Node == node || node == "" {
			return h
		}
	}
	return nil
}

// join makes a fleet one of the hypervisor's, and returns its number there.
func (h *Hypervisor) join(f fleet.Fleet) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return 0, errors.New("the hypervisor is closed")
	}
	h.made++
	h.fleets[f] = true
	return h.made, nil
}

// leave undoes join.
func (f *vmFleet) leave() {
	for _, h := range f.machines {
		h.forget(f)
	}
}

func check(machines Machines, cfg FleetConfig) error {
	if len(machines) == 0 {
		return errors.New("no machines")
	}
	if len(cfg.Hosts) == 0 {
		return errors.New("no hosts")
	}
	if cfg.MaxBoots < 0 || cfg.HelloTimeout < 0 || cfg.FirstByte < 0 || cfg.Liveness < 0 {
		return fmt.Errorf("max boots %d, hello timeout %v, first byte %v, liveness %v: want 0 or more",
			cfg.MaxBoots, cfg.HelloTimeout, cfg.FirstByte, cfg.Liveness)
	}
	seen := make(map[string]bool)
	readable := make(map[string]bool)
	for i, s := range cfg.Hosts {
		image, known := cfg.Images[s.Image]
		h := machines.of(s.Node)
		switch {
		case !validHost.MatchString(s.Name):
			return fmt.Errorf("host %d: name %q: want 1 to 40 lower-case letters, digits and dashes", i, s.Name)
		case seen[s.Name]:
			return fmt.Errorf("host %d: name %s is taken", i, s.Name)
		case h == nil:
			return fmt.Errorf("host %s: no machine is named %q", s.Name, s.Node)
		case !slices.Contains(architecture.Names(), s.Architecture):
			return fmt.Errorf("host %s: architecture %q: VMs run %v", s.Name, s.Architecture, architecture.Names())
		case s.Oops != "" && s.Oops != fleet.OopsPanic && s.Oops != fleet.OopsKill:
			return fmt.Errorf("host %s: oops %q: want %q or %q", s.Name, s.Oops, fleet.OopsPanic, fleet.OopsKill)
		case !known:
			return fmt.Errorf("host %s: image %q is not among those given", s.Name, s.Image)
		case s.MemoryBytes < minMemory || s.MemoryBytes > maxMemory:
			return fmt.Errorf("host %s: %d bytes of memory: want %d to %d", s.Name, s.MemoryBytes, minMemory, int64(maxMemory))
		case s.Tempo.Beat <= 0 || s.Tempo.Poll <= 0 || s.Tempo.Work <= 0 || s.Tempo.Threat <= 0:
			return fmt.Errorf("host %s: tempo %+v: want every interval above 0", s.Name, s.Tempo)
		}
		seen[s.Name] = true
		for _, path := range []string{image.Kernel, image.Initrd, image.Disk} {
			if h.remote() || readable[path] {
				continue
			}
			if err := h.account.CanRead(path); err != nil {
				return fmt.Errorf("image %s: %w", s.Image, err)
			}
			readable[path] = true
		}
	}
	return nil
}

// Caps implements fleet.Fleet.
func (f *vmFleet) Caps() fleet.Caps {
	return capsOf(f.machines, fleet.WallClock, f.accelerator)
}

// Do implements fleet.Fleet. It never waits for a VM. Reset of a host that is off boots it in the mode it was in last.
func (f *vmFleet) Do(ctx context.Context, a fleet.Action) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.ctx.Err() != nil {
		return fleet.ErrClosed
	}
	h := f.hosts[a.Target()]
	if h == nil {
		return fmt.Errorf("%s %q: %w", a.Kind(), a.Target(), fleet.ErrUnknownHost)
	}
	switch a := a.(type) {
	case fleet.Boot:
		if a.Mode != fleet.Normal && a.Mode != fleet.Safe {
			return fmt.Errorf("boot %s into mode %q: %w", a.Host, a.Mode, fleet.ErrUnsupported)
		}
		h.inbox.Put(power{a})
	case fleet.Reset, fleet.PowerOff:
		h.inbox.Put(power{a})
	case fleet.Serve:
		return h.service.Serve(a)
	case fleet.Tell:
		return h.service.Tell(a)
	default:
		return fmt.Errorf("%s: %w", a.Kind(), fleet.ErrUnsupported)
	}
	return nil
}

// After implements fleet.Fleet.
func (f *vmFleet) After(d time.Duration, tag string) {
	f.timers.After(d, func() { f.emit("", fleet.TimerFired{Tag: tag}) })
}

// Next implements fleet.Fleet.
func (f *vmFleet) Next(ctx context.Context) (fleet.Event, error) {
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
func (f *vmFleet) Close(ctx context.Context) error {
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
func (f *vmFleet) emit(host string, what fleet.Happening) {
	f.beat() // before an event whose time would make silence of standing still
	f.events.PutStamped(func() fleet.Event {
		return fleet.Event{At: time.Since(f.start), Host: host, What: what}
	})
}

// beat tells when this process stood still for too long.
func (f *vmFleet) beat() {
	if still, stood := f.pulse.beat(sinceBoot()); stood {
		f.events.PutStamped(func() fleet.Event { return fleet.Event{At: time.Since(f.start), What: stoodStill(still)} })
	}
}

// keepPulse beats until the fleet is closed.
func (f *vmFleet) keepPulse() {
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
func (f *vmFleet) waitForRoom() bool {
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
func (f *vmFleet) watch(h *Hypervisor) {
	select {
	case <-h.line.Lost():
	case <-f.ctx.Done():
		return
	}
	if len(f.machines) == 1 {
		f.emit("", fleet.InfraFailed{Op: "watch domains", Reason: h.line.Reason().Error()})
		return
	}
	for _, host := range f.hosts {
		if host.hypervisor == h {
			host.inbox.Put(abandoned{h.line.Reason()})
		}
	}
}
