package libvirt

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/vmimages"
)

// FleetConfig describes a fleet.
type FleetConfig struct {
	Cell         string // what the fleet is for, shown by tools that list domains
	Hosts        []fleet.HostSpec
	Images       map[string]vmimages.Image // by the name that HostSpec.Image has
	ConsoleDir   string                    // consoles are kept in <ConsoleDir>/<host>/console.log; "" keeps none
	MaxBoots     int                       // hosts that may be between Booting and Hello at a time; 0 is one per CPU
	HelloTimeout time.Duration             // from Booting to BootFailed; 0 is 60 s
}

const (
	defaultHello = 60 * time.Second
	maxWaiting   = 4096     // events that may wait for Next before guests are kept waiting
	minMemory    = 32 << 20 // bytes of a guest's memory
	maxMemory    = 64 << 30
)

var validHost = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// architectures that a guest of the tiny image can run, and fleets that consist of VMs.
var architectures = []string{"kernel", "none", "user"}

// A vmFleet is a fleet.Fleet of VMs on the wall clock.
type vmFleet struct {
	hypervisor   *Hypervisor
	cfg          FleetConfig
	accelerator  string
	helloTimeout time.Duration
	log          zerolog.Logger

	hosts  map[string]*host
	slots  chan struct{} // one item for each host that boots
	start  time.Time
	events *inbox[fleet.Event]
	room   chan struct{} // receives when Next took an event
	timers *timers

	ctx    context.Context // ends when the fleet is closed: the life of the hosts' goroutines
	cancel context.CancelFunc
	alive  sync.WaitGroup
	ended  chan struct{} // closed when nothing is left
	once   sync.Once
}

// NewFleet makes a fleet of VMs that are off. It checks all that can be checked before a boot. The accelerator is what
// the last Probe found, emulation if there was none.
func (h *Hypervisor) NewFleet(cfg FleetConfig) (fleet.Fleet, error) {
	return h.newFleet(cfg, h.Facts().Accelerator.Name)
}

func (h *Hypervisor) newFleet(cfg FleetConfig, accelerator string) (_ *vmFleet, err error) {
	if err := check(cfg, h.account); err != nil {
		return nil, fmt.Errorf("fleet %s: %w", cfg.Cell, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, fmt.Errorf("fleet %s: the hypervisor is closed", cfg.Cell)
	}
	h.made++
	boots := cfg.MaxBoots
	if boots == 0 {
		boots = runtime.NumCPU()
	}
	f := &vmFleet{
		hypervisor: h, cfg: cfg, accelerator: accelerator, helloTimeout: cfg.HelloTimeout,
		log:   h.log.With().Str("cell", cfg.Cell).Logger(),
		hosts: make(map[string]*host), slots: make(chan struct{}, boots), start: time.Now(),
		events: newInbox[fleet.Event](), room: make(chan struct{}, 1), timers: newTimers(), ended: make(chan struct{}),
	}
	if f.helloTimeout == 0 {
		f.helloTimeout = defaultHello
	}
	for _, spec := range cfg.Hosts {
		log, err := openSerialLog(cfg.ConsoleDir, spec.Name)
		if err != nil {
			for _, made := range f.hosts {
				err = errors.Join(err, made.log.close())
			}
			return nil, fmt.Errorf("fleet %s: %w", cfg.Cell, err)
		}
		f.hosts[spec.Name] = &host{
			fleet: f, spec: spec, image: cfg.Images[spec.Image], mode: fleet.Normal, inbox: newInbox[any](),
			domainName: fmt.Sprintf("%s%d-%s", domainPrefix(h.cfg.RunID), h.made, spec.Name),
			service:    &service{spec: spec}, log: log, template: h.templates[templateKind{spec.Image, spec.Architecture, spec.MemoryBytes}],
		}
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	for _, host := range f.hosts {
		f.alive.Go(func() { host.run(f.ctx) })
	}
	f.alive.Go(f.watch)
	f.alive.Go(func() { f.timers.run(f.ctx.Done()) })
	h.fleets[f] = true
	return f, nil
}

func check(cfg FleetConfig, a account) error {
	if len(cfg.Hosts) == 0 {
		return errors.New("no hosts")
	}
	if cfg.MaxBoots < 0 || cfg.HelloTimeout < 0 {
		return fmt.Errorf("max boots %d, hello timeout %v: want 0 or more", cfg.MaxBoots, cfg.HelloTimeout)
	}
	seen := make(map[string]bool)
	readable := make(map[string]bool)
	for i, s := range cfg.Hosts {
		image, known := cfg.Images[s.Image]
		switch {
		case !validHost.MatchString(s.Name):
			return fmt.Errorf("host %d: name %q: want 1 to 40 lower-case letters, digits and dashes", i, s.Name)
		case seen[s.Name]:
			return fmt.Errorf("host %d: name %s is taken", i, s.Name)
		case !slices.Contains(architectures, s.Architecture):
			return fmt.Errorf("host %s: architecture %q: VMs run %v", s.Name, s.Architecture, architectures)
		case !known:
			return fmt.Errorf("host %s: image %q is not among those given", s.Name, s.Image)
		case s.MemoryBytes < minMemory || s.MemoryBytes > maxMemory:
			return fmt.Errorf("host %s: %d bytes of memory: want %d to %d", s.Name, s.MemoryBytes, minMemory, int64(maxMemory))
		case s.Tempo.Beat <= 0 || s.Tempo.Poll <= 0 || s.Tempo.Work <= 0 || s.Tempo.Threat <= 0:
			return fmt.Errorf("host %s: tempo %+v: want every interval above 0", s.Name, s.Tempo)
		}
		seen[s.Name] = true
		for _, path := range []string{image.Kernel, image.Initrd, image.Disk} {
			if readable[path] {
				continue
			}
			if err := a.canRead(path); err != nil {
				return fmt.Errorf("image %s: %w", s.Image, err)
			}
			readable[path] = true
		}
	}
	return nil
}

// Caps implements fleet.Fleet.
func (f *vmFleet) Caps() fleet.Caps {
	return fleet.Caps{
		Backend: "libvirt", Accelerator: f.accelerator, Clock: fleet.WallClock,
		Architectures: slices.Clone(architectures), Actions: fleet.ActionKinds(),
	}
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
		h.inbox.put(power{a})
	case fleet.Reset, fleet.PowerOff:
		h.inbox.put(power{a})
	case fleet.Serve:
		return h.service.serve(a)
	case fleet.Tell:
		return h.service.tell(a)
	default:
		return fmt.Errorf("%s: %w", a.Kind(), fleet.ErrUnsupported)
	}
	return nil
}

// After implements fleet.Fleet.
func (f *vmFleet) After(d time.Duration, tag string) {
	f.timers.after(d, func() { f.emit("", fleet.TimerFired{Tag: tag}) })
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
		if e, ok := f.events.take(); ok {
			select {
			case f.room <- struct{}{}:
			default:
			}
			return e, nil
		}
		select {
		case <-f.events.ready:
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
			f.hypervisor.forget(f)
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
	f.events.putStamped(func() fleet.Event {
		return fleet.Event{At: time.Since(f.start), Host: host, What: what}
	})
}

// waitForRoom waits until the events that wait are few enough to add what a guest said; false when the fleet is closed.
func (f *vmFleet) waitForRoom() bool {
	for f.events.len() >= maxWaiting {
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

// watch reports the loss of the daemon, without which nothing is seen of any host.
func (f *vmFleet) watch() {
	select {
	case <-f.hypervisor.conn.lost():
		f.emit("", fleet.InfraFailed{Op: "watch domains", Reason: errDisconnected.Error()})
	case <-f.ctx.Done():
	}
}
