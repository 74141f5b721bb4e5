package virtual

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/draw"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/inbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/panics"
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
	booting *vm.Slot    // of work: of the latest boot, free once that is ended

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
	slot    *vm.Slot        // of the present boot: which VMs are made first is wall time only, which no event depends on
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

// newHost makes the host with this number in its fleet.
func newHost(f *Fleet, number uint32, spec fleet.HostSpec, domainName string) (*host, error) {
	log, err := guestlink.OpenConsoleLog(f.cfg.ConsoleDir, spec.Name)
	if err != nil {
		return nil, err
	}
	h := &host{
		fleet: f, spec: spec, domainName: domainName, log: log, service: &guestlink.Service{Spec: spec}, mode: fleet.Normal,
		jobs: inbox.New[func(context.Context)](),
	}
	h.service.Self = func() guestlink.Self {
		return guestlink.Self{
			Now: vm.Epoch.Add(h.last), Entropy: draw.Bytes(f.cfg.Seed, draw.Entropy, number, h.boots),
			Start: guestlink.Start(spec.Tempo, f.cfg.Seed, number, h.boots),
		}
	}
	return h, nil
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

// gone has the VM of the present boot, if there is one, taken away: nothing more is heard of it. What it has said
// still happens.
func (h *host) gone(op string) {
	h.fleet.clock.Stops(h.spec.Name)
	delete(h.fleet.running, h.machine)
	h.machine, h.talk, h.asked, h.panic, h.told = nil, nil, asked{}, panics.Join{}, false
	h.looking = false // what is still to be heard of that is another machine's
	h.slot.Free()
	h.end(op)
}

// ends has something done once all has happened that the guest said before it ended: its clock may be ahead of the
// fleet's.
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
			h.slot.Free()
			h.put(at+h.fleet.limit, fleet.BootFailed{Reason: fmt.Sprintf("no hello within %v", h.fleet.limit), Excerpt: h.log.End()})
		}
	}})
	h.jobs.Put(func(ctx context.Context) {
		if h.booting = h.fleet.site.TakeSlot(ctx); h.booting == nil {
			return
		}
		err := h.create(ctx, boot, mode, t)
		if err != nil && ctx.Err() == nil {
			// The VM, if there is one, may run and ask: it is taken away by a job, once nobody answers it any more.
			h.fleet.inbox.Put(broke{h, boot, "boot host", h.fleet.site.Place.Full(err)})
		}
	})
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

// infra: the testbed failed the host.
func (h *host) infra(op string, err error) {
	h.powerOff()
	h.put(h.fleet.clock.Now(), fleet.InfraFailed{Op: op, Reason: err.Error()})
}
