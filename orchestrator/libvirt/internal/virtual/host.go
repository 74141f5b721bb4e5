package virtual

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/inbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/panics"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// A host is one VM of a fleet on the virtual clock, over all of its boots. What is below the line belongs to who has
// the fleet's turn; the VM itself is made and ended by work, one job after the other.
type host struct {
	fleet      *Fleet
	spec       fleet.HostSpec
	domainName string
	log        *guestlink.ConsoleLog
	service    *guestlink.Service
	jobs       *inbox.Inbox[func(context.Context)]

	disk    string      // of work: path of the file, empty before there is one
	current *vm.Machine // of work: to be ended

	crashed atomic.Pointer[vm.Machine] // whose memory is to be dumped before it is ended

	// ------
	state   vm.State
	mode    fleet.BootMode
	boots   int           // counts changes of power
	began   time.Duration // when the present boot began
	logLag  time.Duration // how much later in it the time-stamp counter shows what a stamp of the kernel's log shows
	machine *vm.Machine   // of the present boot; nil when there is none yet
	talk    *guestlink.Conversation
	asked   asked
	pending []change // what reaches the host in the future: its service's, by time
	powers  []time.Duration
	slot    bool
	looking bool            // its clock is being looked at
	awaited time.Duration   // when it had asked last, when somebody waited for it and it was not looked at
	seen    time.Duration   // that its clock was read, in this boot
	quota   guestlink.Quota // of this boot
	panic   panics.Join
	dated   bool // and it is known that it did so no later than stood, on the fleet's clock
	stood   time.Duration
	reset   bool          // it has set its hardware clock in this boot, which tells nothing any more
	told    bool          // QEMU was told to end, and not by its guest
	last    time.Duration // when the guest asked last, or was switched on
	fell    time.Duration // when it panicked and its memory was to be dumped
	dumped  bool          // its memory was dumped at a panic, or is to be
}

// asked is what a host stands still for.
type asked struct {
	number uint64
	answer func() (protocol.Reply, fleet.Happening)
}

// A change is something that a guest may know of from a time on.
type change struct {
	at time.Duration
	do func()
}

// A fleetMessage is what whoever has the fleet's turn takes from its inbox: of these types, and no other.
type fleetMessage interface{ toFleet() }

type (
	heard struct { // news of a machine
		m    *vm.Machine
		what vm.News
	}
	created struct { // the VM of a boot is there, and about to run
		h    *host
		boot int
		m    *vm.Machine
	}
	broke struct { // the testbed failed a host
		h    *host
		boot int
		op   string
		err  error
	}
	kept struct { // the memory of a host that has crashed, or it could not be
		h    *host
		what fleet.Dumped
	}
	unexplained struct { // the cause of a panic has not come in time
		h    *host
		boot int
	}
	stoodAt struct { // the clock of a machine that has panicked was read: the time since it was switched on
		m    *vm.Machine
		time time.Duration
		err  error
	}
	sighted struct { // the clock of a machine was read: the time since it was switched on
		m    *vm.Machine
		time time.Duration
		err  error
	}
)

func (heard) toFleet()       {}
func (created) toFleet()     {}
func (broke) toFleet()       {}
func (kept) toFleet()        {}
func (unexplained) toFleet() {}
func (stoodAt) toFleet()     {}
func (sighted) toFleet()     {}

func newHost(f *Fleet, spec fleet.HostSpec, domainName string) (*host, error) {
	log, err := guestlink.OpenConsoleLog(f.cfg.ConsoleDir, spec.Name)
	if err != nil {
		return nil, err
	}
	h := &host{
		fleet: f, spec: spec, domainName: domainName, log: log, service: &guestlink.Service{Spec: spec}, mode: fleet.Normal,
		jobs: inbox.New[func(context.Context)](),
	}
	h.service.Self = func() (time.Time, []byte) {
		return vm.Epoch.Add(h.last), f.entropy(spec.Name, h.boots)
	}
	return h, nil
}

// work does what takes long, until ctx ends.
func (h *host) work(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-h.jobs.Ready:
			for job, ok := h.jobs.Take(); ok && ctx.Err() == nil; job, ok = h.jobs.Take() {
				job(ctx)
			}
		}
	}
	ctx = context.WithoutCancel(ctx)
	h.keepMemory(ctx) // first, so that the time for it is not taken from that for the end
	ctx, cancel := context.WithTimeout(ctx, connect.CreateTime)
	defer cancel()
	if err := errors.Join(h.destroy(ctx), h.log.Close()); err != nil {
		h.fleet.log.Warn().Err(err).Str("host", h.spec.Name).Msg("end host")
	}
}

// keepMemory dumps the memory of the VM, if it is to be. On the fleet's clock that takes no time.
func (h *host) keepMemory(ctx context.Context) {
	m := h.current
	if m == nil || !h.crashed.CompareAndSwap(m, nil) {
		return
	}
	what := m.KeepMemory(ctx, filepath.Join(h.fleet.cfg.ConsoleDir, h.spec.Name), h.spec.MemoryBytes)
	if what.Error != "" {
		h.fleet.log.Warn().Str("host", h.spec.Name).Str("error", what.Error).Msg("crash dump")
	}
	h.fleet.inbox.Put(kept{h, what})
}

// destroy ends the VM, if there is one, after dumping its memory when that is to be done.
func (h *host) destroy(ctx context.Context) error {
	h.keepMemory(ctx)
	m := h.current
	h.current = nil
	if m == nil {
		return nil
	}
	return m.Destroy(ctx)
}

// power has something done to the host's power at a time.
func (h *host) power(at time.Duration, do func()) {
	h.powers = append(h.powers, at)
	h.fleet.clock.Put(at, h.spec.Name, happening{boot: anyBoot, do: func() {
		h.powers = slices.DeleteFunc(h.powers, func(t time.Duration) bool { return t <= at })
		do()
	}})
}

// change has the host's service changed at a time.
func (h *host) change(at time.Duration, do func()) {
	h.pending = append(h.pending, change{at, do})
}

// put has an event happen in the present boot.
func (h *host) put(at time.Duration, what fleet.Happening) {
	h.fleet.clock.Put(at, h.spec.Name, happening{boot: h.boots, what: what})
}

// powerOff takes the VM away, if there is one. Its disk stays.
func (h *host) powerOff() {
	h.boots++
	h.state = vm.Off
	h.gone("power host off")
}

// gone has the VM of the present boot, if there is one, taken away: nothing more is heard of it. What it has said still happens.
func (h *host) gone(op string) {
	h.fleet.clock.Stops(h.spec.Name)
	delete(h.fleet.running, h.machine)
	h.machine, h.talk, h.asked, h.panic, h.told = nil, nil, asked{}, panics.Join{}, false
	h.looking = false // what is still to be heard of that is another machine's
	h.freeSlot()
	h.end(op)
}

// ends has something done once all has happened that the guest said before it ended: its clock may be ahead of the fleet's.
func (h *host) ends(then func(at time.Duration)) {
	at := max(h.fleet.clock.Now(), h.last)
	h.state = vm.Stopped
	h.gone("end host")
	h.fleet.clock.Put(at, h.spec.Name, happening{boot: h.boots, do: func() { then(at) }})
}

// end has the VM destroyed, if there is one.
func (h *host) end(op string) {
	boot := h.boots
	h.jobs.Put(func(ctx context.Context) {
		if err := h.destroy(context.WithoutCancel(ctx)); err != nil {
			h.fleet.inbox.Put(broke{h, boot, op, err})
		}
	})
}

// boot switches the host on, after switching it off.
func (h *host) boot(at time.Duration, mode fleet.BootMode) {
	h.powerOff()
	h.state, h.mode, h.began, h.last, h.logLag = vm.Booting, mode, at, at, 0
	h.seen, h.quota, h.dated, h.reset = 0, guestlink.Quota{}, false, false
	t := h.fleet.site.TemplateFor(h.spec, fleet.VirtualClock, mode)
	h.put(at, fleet.Booting{Mode: mode, Cloned: t != nil})
	h.fleet.clock.Runs(h.spec.Name, at)
	if t != nil { // it goes on from there
		h.fleet.clock.Reached(h.spec.Name, at+t.Kept.Door.Asked)
	}
	boot := h.boots
	h.fleet.clock.Put(at+h.fleet.limit, h.spec.Name, happening{boot: boot, do: func() {
		if h.state == vm.Booting {
			h.freeSlot()
			h.put(at+h.fleet.limit, fleet.BootFailed{Reason: fmt.Sprintf("no hello within %v", h.fleet.limit), Excerpt: h.log.End()})
		}
	}})
	h.jobs.Put(func(ctx context.Context) {
		select {
		case h.fleet.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		told, err := h.create(ctx, boot, mode, t)
		if !told {
			<-h.fleet.slots
		}
		if err != nil && ctx.Err() == nil {
			// The VM, if there is one, may run and ask: it is taken away by a job, once nobody answers it any more.
			h.fleet.inbox.Put(broke{h, boot, "boot host", h.fleet.site.Place.Full(err)})
		}
	})
}

// create makes the VM of a boot, a copy of the template if there is one, and lets it run. told says that whoever has the turn knows of the VM: the slot is theirs then.
func (h *host) create(ctx context.Context, boot int, mode fleet.BootMode, t *template.Template) (told bool, err error) {
	f := h.fleet
	image, err := f.site.Image(ctx, f.cfg.Images[h.spec.Image])
	if err != nil {
		return false, err
	}
	if h.disk == "" {
		if h.disk, err = f.site.Local.CopyDisk(h.domainName+".disk", image.Disk); err != nil {
			return false, fmt.Errorf("create disk: %w", err)
		}
	}
	if err := h.log.Restart("power on, mode " + string(mode)); err != nil {
		return false, err
	}
	d := vm.GuestOf(h.spec, image, mode, fleet.VirtualClock, f.accelerator).Domain(h.domainName, f.cfg.Cell+" "+h.spec.Name, h.disk)
	holds := vm.DoorHolds
	if t != nil {
		d, holds = vm.CopyOf(d, t), t.Kept.Door.Holds
	}
	m, err := f.site.CreateMachine(ctx, d, t, vm.Listener{
		Log: h.log, Hear: func(m *vm.Machine, n vm.News) { f.inbox.Put(heard{m, n}) },
		Rung: func(m *vm.Machine) {
			if !m.Held(&holds) {
				f.inbox.Put(heard{m, m.HeardRing()})
			}
		},
	})
	if err != nil {
		return false, err
	}
	h.current = m
	f.inbox.Put(created{h, boot, m})
	if err := m.Resume(ctx); err != nil {
		return true, err
	}
	f.site.RecordCommandLine(h.domainName)
	return true, nil
}

// freeSlot lets another host boot.
func (h *host) freeSlot() {
	if h.slot {
		h.slot = false
		<-h.fleet.slots
	}
}

// hear takes in what happened to a machine, or became of what was asked for.
func (f *Fleet) hear(message fleetMessage) {
	switch m := message.(type) {
	case created:
		h := m.h
		if m.boot != h.boots {
			<-f.slots // it is ended by a job that waits already
			return
		}
		h.machine, h.slot = m.m, true
		f.running[m.m] = h
		h.talk = &guestlink.Conversation{Service: h.service, Hello: func() { h.state = vm.Up }}
	case broke:
		if m.boot == m.h.boots {
			m.h.infra(m.op, m.err)
		}
	case kept:
		if m.h.state == vm.Stopped { // else its power was cut before it panicked
			m.h.put(m.h.fell, m.what)
			f.clock.Stops(m.h.spec.Name)
		}
	case unexplained:
		if m.boot == m.h.boots && m.h.panic.Waits() {
			m.h.settle()
		}
	case stoodAt:
		if h := f.running[m.m]; h != nil {
			h.stoodAt(m)
		}
	case sighted:
		if h := f.running[m.m]; h != nil {
			h.sighted(m)
		}
	case heard:
		if h := f.running[m.m]; h != nil { // else it is gone
			h.hear(m.what)
		}
	}
}

// hear takes news of the host's present machine.
func (h *host) hear(what vm.News) {
	switch n := what.(type) {
	case vm.DomainEvent:
		h.domainEvent(n)
	case vm.Rang:
		h.rang(n)
	case vm.Crashed:
		if n.Report.Panicked && h.state != vm.Stopped {
			h.panic.Console(n.Report)
			h.panicked()
		}
	case vm.Failed:
		h.infra(n.Op, n.Err)
	case vm.SaidHello, vm.Spoke, vm.Crashing, vm.Cut, vm.Restored: // of the wall clock
	}
}

// domainEvent takes an event of the host's present domain.
func (h *host) domainEvent(e vm.DomainEvent) {
	switch {
	case e.Clock:
		h.reset = true
	case e.Reboot:
		h.ends(func(at time.Duration) { h.boot(at, h.mode) })
	case e.Kind == golibvirt.DomainEventCrashed && (h.state == vm.Booting || h.state == vm.Up) && !h.panic.Stands():
		h.panic.Device()
		h.fleet.date(h.machine)
		if h.panic.Waits() { // the cause may still be on its way through the console's socket
			late := unexplained{h, h.boots}
			time.AfterFunc(panics.Settle, func() { h.fleet.inbox.Put(late) })
		}
	case e.Kind == golibvirt.DomainEventShutdown:
		h.told = e.ToldToEnd()
	case e.Kind == golibvirt.DomainEventStopped:
		why := golibvirt.DomainEventStoppedDetailType(e.Detail)
		what := h.machine.Ended(why, h.told, h.fleet.oomKills)
		h.ends(func(at time.Duration) {
			h.powerOff()
			h.put(at, what)
		})
	}
}

// sighted: the clock of a machine was read.
func (h *host) sighted(m sighted) {
	h.looking = false
	if m.err != nil {
		return
	}
	h.seen = max(h.seen, h.began+m.time-traceTime)
	h.fleet.clock.Reached(h.spec.Name, h.seen)
	if m.time > h.fleet.limit { // it may never ask, and the time in which it has failed may not come before others boot
		h.freeSlot()
	}
}

// traceTime is more than a kernel takes from the fault that it stamps to its giving up, after all of it was printed: only what is
// longer ago than that has happened without a panic for sure.
const traceTime = time.Second

// readLast has the clock of a machine read that has panicked: whatever its console says, that was no later.
func (f *Fleet) readLast(m *vm.Machine) {
	f.alive.Go(func() {
		t, err := m.LastTime(f.ctx)
		f.inbox.Put(stoodAt{m, t, err})
	})
}

// stoodAt: the clock of a machine that has panicked was read.
func (h *host) stoodAt(m stoodAt) {
	switch {
	case m.err != nil && h.fleet.ctx.Err() == nil:
		h.infra("date a panic", m.err)
		return
	case h.reset:
		h.stood = h.last // a guest that sets its hardware clock has nothing that dates it but its last request
	default:
		h.stood = max(h.last, h.began+m.time)
	}
	h.dated = true
	h.panicked()
}

// panicked tells of a panic once it is known that it was, and why. Its time is the kernel's own stamp of the fault:
// what the kernel prints after that takes it a time that is not the same each time, and the machine's clock may leap
// as it stops. A guest prints what it likes, so that time is not before its last request and not after its machine
// stood still.
func (h *host) panicked() {
	why := h.panic.Both()
	if why == nil || !h.dated {
		return
	}
	at := h.last
	if why.At > 0 {
		at = min(max(at, h.began+h.logLag+why.At), h.stood)
	}
	h.put(at, panics.Event("device", *why))
	dumps := h.fleet.cfg.Dumps(h.spec, h.dumped)
	if dumps {
		h.dumped, h.fell = true, at
		h.crashed.Store(h.machine)
	}
	h.state = vm.Stopped
	// All that it had to say is known. A fleet in boot loops is one of hosts that wait for their restart: that costs neither memory
	// then, nor time at the next boot.
	h.gone("end crashed host")
	if dumps {
		h.fleet.clock.Runs(h.spec.Name, at) // nothing later is told before what has come of the dump
	}
}

// settle tells of a panic whose cause did not come.
func (h *host) settle() {
	h.panic.Unexplained(h.log.Settle())
	h.panicked()
}

// infra: the testbed failed the host.
func (h *host) infra(op string, err error) {
	h.powerOff()
	h.put(h.fleet.clock.Now(), fleet.InfraFailed{Op: op, Reason: err.Error()})
}

// look has the clock of a host read that runs and has been waited for since the last look. One that asks, and whose clock moves as it
// asks, needs none; what it asks may be junk, or its clock stand still by its own account.
func (h *host) look() {
	if h.machine == nil || h.looking || h.panic.Stands() || h.asked.answer != nil {
		return
	}
	if h.last-h.awaited >= Lookahead {
		h.awaited = h.last
		return
	}
	h.looking = true
	m, f := h.machine, h.fleet
	f.alive.Go(func() {
		t, err := m.VirtualTime(f.ctx)
		f.inbox.Put(sighted{m, t, err})
	})
}
