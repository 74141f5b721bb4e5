package fleettest

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// FakeOptions shape a Fake. The zero value is a fleet whose every content is harmless.
type FakeOptions struct {
	Deadly  []uint64      // content versions that an agent does not survive, on the first execution after it loaded them
	Refused []uint64      // content versions that an agent will not load
	Boot    time.Duration // from power to hello; 2 s if zero
	Lost    []string      // hosts whose first boot is an infrastructure failure

	Lacks []fleet.Capability // of those that a fake can have; what needs them is refused
}

// A Fake is a fleet of the simplest hosts that keep the contract, on a clock of its own that jumps from event to event.
// It exists to hold the conformance suite and the orchestrator to account without a machine under them; no figure of a
// report ever comes from it.
type Fake struct {
	opts  FakeOptions
	has   []fleet.Capability
	hosts map[string]*fakeHost

	mu     sync.Mutex // closed may be set from another goroutine
	closed bool
	wake   chan struct{} // closed by Close

	now   time.Duration
	queue eventQueue
	order int
}

type fakeHost struct {
	spec    fleet.HostSpec
	on      bool
	mode    fleet.BootMode
	boot    int    // counts boots, so that what belongs to an earlier one is dropped
	disk    uint64 // content version on the disk
	loaded  uint64 // by the agent
	served  uint64
	agent   bool // runs
	exits   int  // of the agent since it was last well
	threats uint64
	orders  []fleet.Order
	told    map[uint64]bool // orders, by ID
}

// NewFake makes a fleet of these hosts, all off.
func NewFake(specs []fleet.HostSpec, opts FakeOptions) *Fake {
	if opts.Boot == 0 {
		opts.Boot = 2 * time.Second
	}
	f := &Fake{opts: opts, has: opts.has(), hosts: map[string]*fakeHost{}, wake: make(chan struct{})}
	for _, s := range specs {
		f.hosts[s.Name] = &fakeHost{spec: s, disk: 1, served: 1, told: map[uint64]bool{}}
	}
	return f
}

// has lists what a fake can do.
func (o FakeOptions) has() []fleet.Capability {
	return fleet.Missing(o.Lacks, []fleet.Capability{
		fleet.CanDo("boot"), fleet.CanDo("reset"), fleet.CanDo("power_off"), fleet.CanDo("serve"), fleet.CanDo("tell"),
		fleet.CanBoot(fleet.Normal), fleet.CanBoot(fleet.Safe), fleet.CanOrder(fleet.RemoveContent),
		fleet.CanRun("kernel"), fleet.CanRun("none"), fleet.CanRun("user"), fleet.CanTakeOops(fleet.OopsPanic),
		fleet.CanKeepTime(fleet.VirtualClock), fleet.CanRunBeside,
	})
}

// Caps implements fleet.Fleet.
func (f *Fake) Caps() fleet.Caps {
	return fleet.Caps{Backend: "fake", Accelerator: "none", Clock: fleet.VirtualClock, Has: f.has}
}

// Do implements fleet.Fleet.
func (f *Fake) Do(_ context.Context, a fleet.Action) error {
	if f.isClosed() {
		return fleet.ErrClosed
	}
	h := f.hosts[a.Target()]
	if h == nil {
		return fmt.Errorf("%s %s: %w", a.Kind(), a.Target(), fleet.ErrUnknownHost)
	}
	if err := f.Caps().Refuse(a); err != nil {
		return err
	}
	switch a := a.(type) {
	case fleet.Boot:
		f.power(h, a.Mode)
	case fleet.Reset:
		if !h.on {
			return nil // as pressing the button of a machine without power
		}
		f.power(h, h.mode)
	case fleet.PowerOff:
		h.on, h.agent = false, false
		h.boot++
		f.post(0, h, fleet.PoweredOff{Reason: "requested"})
	case fleet.Serve:
		h.served = a.Version
	case fleet.Tell:
		if !h.told[a.ID] {
			h.told[a.ID] = true
			h.orders = append(h.orders, a.Order)
		}
	}
	return nil
}

// After implements fleet.Fleet.
func (f *Fake) After(d time.Duration, tag string) {
	f.push(d, func() *fleet.Event { return &fleet.Event{At: f.now, What: fleet.TimerFired{Tag: tag}} })
}

// Next implements fleet.Fleet.
func (f *Fake) Next(ctx context.Context) (fleet.Event, error) {
	for {
		if err := ctx.Err(); err != nil {
			return fleet.Event{}, err
		}
		if f.isClosed() {
			return fleet.Event{}, fleet.ErrClosed
		}
		if f.queue.Len() == 0 {
			// Nothing will ever happen; wait as a fleet of VMs that are off would.
			select {
			case <-ctx.Done():
			case <-f.wake:
			}
			continue
		}
		item := heap.Pop(&f.queue).(queued)
		f.now = item.at
		if e := item.do(); e != nil {
			return *e, nil
		}
	}
}

// Close implements fleet.Fleet.
func (f *Fake) Close(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		close(f.wake)
	}
	return nil
}

func (f *Fake) isClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

func (f *Fake) power(h *fakeHost, mode fleet.BootMode) {
	h.boot++
	h.on, h.mode, h.agent, h.exits = true, mode, false, 0
	if slices.Contains(f.opts.Lost, h.spec.Name) && h.boot == 1 {
		h.on = false
		f.post(0, h, fleet.InfraFailed{Op: "create domain", Reason: "asked for by FakeOptions.Lost"})
		return
	}
	f.post(0, h, fleet.Booting{Mode: mode})
	f.later(f.opts.Boot, h, func() *fleet.Event { return f.hello(h) })
}

func (f *Fake) hello(h *fakeHost) *fleet.Event {
	withAgent := h.mode == fleet.Normal && h.spec.Architecture != "none"
	if withAgent {
		h.agent, h.loaded = true, h.disk
		if h.spec.Architecture == "kernel" && f.deadly(h.loaded) {
			return f.crash(h) // boot services run before the link is up
		}
	}
	tempo := h.spec.Tempo
	f.later(tempo.Beat, h, func() *fleet.Event { return f.beat(h) })
	if h.mode == fleet.Normal {
		f.later(tempo.Poll, h, func() *fleet.Event { return f.poll(h) })
		f.later(tempo.Beat/2, h, func() *fleet.Event { return f.threat(h) })
		f.later(tempo.Work, h, func() *fleet.Event { return f.work(h) })
	}
	return &fleet.Event{At: f.now, Host: h.spec.Name, What: fleet.Hello{
		BootID: f.bootID(h), Mode: h.mode, Architecture: h.spec.Architecture, ContentVersion: h.disk,
		AgentState: state(h), Uptime: f.opts.Boot, Kernel: "fake",
	}}
}

func (f *Fake) beat(h *fakeHost) *fleet.Event {
	f.later(h.spec.Tempo.Beat, h, func() *fleet.Event { return f.beat(h) })
	for _, o := range h.orders {
		done := fleet.OrderDone{ID: o.ID, Order: o.Kind}
		if o.Kind == fleet.RemoveContent {
			h.disk = 1
		} else {
			done.Error = "no such order"
		}
		f.post(0, h, done)
	}
	h.orders = nil
	return &fleet.Event{At: f.now, Host: h.spec.Name, What: fleet.Beat{
		BootID: f.bootID(h), AgentState: state(h), ContentVersion: h.loaded, WorkUnits: 1,
		WorkMax: time.Millisecond, WorkTotal: time.Millisecond,
	}}
}

func (f *Fake) poll(h *fakeHost) *fleet.Event {
	f.later(h.spec.Tempo.Poll, h, func() *fleet.Event { return f.poll(h) })
	if h.served == h.disk {
		return nil
	}
	h.disk = h.served
	if slices.Contains(f.opts.Refused, h.disk) {
		f.post(0, h, fleet.ContentRefused{Version: h.disk, Reason: "bad signature"})
	} else if h.agent {
		h.loaded = h.disk
	}
	return &fleet.Event{At: f.now, Host: h.spec.Name, What: fleet.Fetched{Version: h.disk}}
}

// work executes a program, which is when loaded content is evaluated.
func (f *Fake) work(h *fakeHost) *fleet.Event {
	f.later(h.spec.Tempo.Work, h, func() *fleet.Event { return f.work(h) })
	if !h.agent || !f.deadly(h.loaded) {
		return nil
	}
	if h.spec.Architecture == "kernel" {
		return f.crash(h)
	}
	h.agent = false
	wait := time.Second << min(h.exits, 6)
	h.exits++
	f.later(wait, h, func() *fleet.Event {
		h.agent, h.loaded = true, h.disk
		return nil
	})
	return &fleet.Event{At: f.now, Host: h.spec.Name, What: fleet.AgentExit{Signal: 11, Restart: wait}}
}

func (f *Fake) threat(h *fakeHost) *fleet.Event {
	f.later(h.spec.Tempo.Threat, h, func() *fleet.Event { return f.threat(h) })
	h.threats++
	return &fleet.Event{At: f.now, Host: h.spec.Name, What: fleet.Threat{ID: h.threats, What: "exec", Blocked: h.agent, Reported: h.agent}}
}

func (f *Fake) crash(h *fakeHost) *fleet.Event {
	h.boot++ // nothing of this boot comes any more
	h.agent = false
	return &fleet.Event{At: f.now, Host: h.spec.Name, What: fleet.Panic{
		Source: "device", Title: "page fault in agentk:ff_evaluate", Type: "page_fault", Module: "agentk", Function: "ff_evaluate",
	}}
}

func (f *Fake) deadly(version uint64) bool { return slices.Contains(f.opts.Deadly, version) }

func (f *Fake) bootID(h *fakeHost) string { return fmt.Sprintf("%08d-0000-4000-8000-%012d", h.boot, 0) }

func state(h *fakeHost) string {
	switch {
	case h.mode == fleet.Safe || h.spec.Architecture == "none":
		return "absent"
	case h.agent:
		return "running"
	}
	return "backing_off"
}

// later runs do after d unless the host has booted, crashed or lost its power since.
func (f *Fake) later(d time.Duration, h *fakeHost, do func() *fleet.Event) {
	boot := h.boot
	f.push(d, func() *fleet.Event {
		if h.boot != boot || !h.on {
			return nil
		}
		return do()
	})
}

func (f *Fake) post(d time.Duration, h *fakeHost, what fleet.Happening) {
	f.push(d, func() *fleet.Event { return &fleet.Event{At: f.now, Host: h.spec.Name, What: what} })
}

func (f *Fake) push(d time.Duration, do func() *fleet.Event) {
	f.order++
	heap.Push(&f.queue, queued{at: f.now + d, order: f.order, do: do})
}

type queued struct {
	at    time.Duration
	order int // of being asked for: the tie-break
	do    func() *fleet.Event
}

// eventQueue is a heap.Interface by time, then order.
type eventQueue []queued

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(queued)) }
func (q *eventQueue) Pop() any {
	old := *q
	x := old[len(old)-1]
	old[len(old)-1] = queued{}
	*q = old[:len(old)-1]
	return x
}
