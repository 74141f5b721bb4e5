package wall

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/inbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/panics"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
	"github.com/fleetfall/fleetfall/vmimages"
)

// A host is one VM of a fleet over all of its boots. Its run method owns everything below the line; others put messages
// into its inbox.
type host struct {
	fleet       *Fleet
	site        *vm.Site // of its machine
	slots       chan struct{}
	spec        fleet.HostSpec
	image       vmimages.Image
	domainName  string
	accelerator string
	inbox       *inbox.Inbox[hostMessage]
	service     *guestlink.Service
	log         *guestlink.ConsoleLog
	template    *template.Template // of which its first boot is a copy; nil when that is a real boot too
	lastSign    atomic.Int64       // when it gave its last sign of life, in ns on the fleet's clock

	// ------
	state   vm.State
	mode    fleet.BootMode
	machine *vm.Machine     // nil when off
	disk    string          // path of the overlay; empty before there is one
	wish    *fleet.BootMode // a boot that waits for a slot
	slot    bool            // holds one of the machine's boot slots
	lost    bool            // its machine was given up
	silent  bool            // its console has printed nothing in this boot
	told    bool            // QEMU was told to end, and not by its guest
	boot    int             // counts boots; a timer of an earlier one means nothing
	bootBy  time.Duration   // when it has to have said hello
	outage  outage          // of its console and channel
	panic   panics.Join
	vigil   vigil
	heard   int64 // requests of the guest when the console said that it panicked
	dumped  bool  // its memory was dumped at a panic, or was to be
}

// run is the host's life, until ctx ends.
func (h *host) run(ctx context.Context) {
	defer h.end()
	for {
		var slots chan<- struct{}
		if h.wish != nil && !h.slot {
			slots = h.slots
		}
		select {
		case <-ctx.Done():
			return
		case slots <- struct{}{}:
			h.slot = true
			h.start(ctx)
		case <-h.inbox.Ready:
			for message, ok := h.inbox.Take(); ok && ctx.Err() == nil; message, ok = h.inbox.Take() {
				h.handle(ctx, message)
			}
		}
	}
}

// end takes the VM down when the fleet is closed.
func (h *host) end() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.fleet.ctx), connect.CreateTime)
	defer cancel()
	h.powerOff(ctx)
	h.freeSlot()
	if err := h.log.Close(); err != nil {
		h.fleet.log.Warn().Err(err).Str("host", h.spec.Name).Msg("close console log")
	}
}

func (h *host) handle(ctx context.Context, message hostMessage) {
	switch m := message.(type) {
	case power:
		h.power(ctx, m.action)
	case abandoned:
		h.abandon(m.err)
	case heard:
		if m.m == h.machine { // else it is gone
			h.hear(ctx, m.what)
		}
	case monitored:
		if m.m == h.machine && m.since == h.vigil.since {
			h.vigil.monitor = m.err
		}
	case due:
		if m.boot == h.boot {
			h.due(m.what)
		}
	}
}

// hear takes news of the host's present machine.
func (h *host) hear(ctx context.Context, what vm.News) {
	switch n := what.(type) {
	case vm.DomainEvent:
		h.domainEvent(ctx, n)
	case vm.SaidHello:
		if h.state == vm.Booting {
			h.state = vm.Up
			h.freeSlot()
		}
	case vm.Spoke:
		h.silent = false
	case vm.Cut:
		h.cutOff(n)
	case vm.Restored:
		h.restored(n)
	case vm.Crashing:
		h.remind(traceSettle, traceDue)
	case vm.Crashed:
		if n.Report.Panicked {
			h.consolePanic(n.Report)
		}
	case vm.Failed:
		h.infra(n.Op, n.Err)
	case vm.Rang: // of the virtual clock
	}
}

func (h *host) power(ctx context.Context, action fleet.Action) {
	if h.lost {
		h.infra("reach its machine", h.site.Line.Reason())
		return
	}
	switch a := action.(type) {
	case fleet.Boot:
		h.powerOff(ctx)
		h.wish = &a.Mode
	case fleet.Reset:
		if h.wish == nil { // else its boot is still to come
			h.reset(ctx)
		}
	case fleet.PowerOff:
		h.wish = nil
		h.powerOff(ctx)
		h.emit(fleet.PoweredOff{Reason: "requested"})
	}
}

// reset is a power cycle. QEMU's own reset keeps the translated code of the boot before, and the guest, overwriting
// what it was translated from, takes twice the CPU time of a fresh QEMU to come up; and a copy of a template has no
// kernel to boot.
func (h *host) reset(ctx context.Context) {
	h.powerOff(ctx)
	mode := h.mode
	h.wish = &mode
}

// abandon is the end of a host whose machine cannot be reached: what becomes of its VM is not known.
func (h *host) abandon(err error) {
	h.lost = true
	h.settle()
	h.freeSlot()
	h.state, h.wish = vm.Off, nil
	h.boot++
	h.infra("reach its machine", err)
}

// powerOff takes the VM away, if there is one. Its disk stays.
func (h *host) powerOff(ctx context.Context) {
	h.settle()
	h.freeSlot()
	h.state = vm.Off
	h.boot++
	if h.machine == nil {
		return
	}
	m := h.machine
	h.machine = nil
	if err := m.Destroy(context.WithoutCancel(ctx)); err != nil {
		h.infra("power host off", err)
	}
}

// start fulfils the wish for a boot, now that a slot is there.
func (h *host) start(ctx context.Context) {
	h.mode, h.wish = *h.wish, nil
	if err := h.create(ctx); err != nil {
		h.powerOff(ctx)
		if ctx.Err() == nil {
			h.infra("boot host", h.site.Place.Full(err))
		}
	}
}

// create makes the host's VM: a copy of its template when it has never run, else one that boots from its disk.
func (h *host) create(ctx context.Context) error {
	v := h.site
	image, err := v.Image(ctx, h.image)
	if err != nil {
		return err
	}
	var t *template.Template
	note := "power on, mode " + string(h.mode)
	if h.disk == "" {
		format, base := "raw", image.Disk
		if h.mode == fleet.Normal && h.template != nil {
			t, note = h.template, "a copy of a host that has booted"
			format, base = "qcow2", t.Disk
		}
		if h.disk, err = v.Files.Overlay(ctx, h.domainName+template.DiskSuffix, format, base, image.DiskSize); err != nil {
			h.disk = ""
			return fmt.Errorf("create disk: %w", err)
		}
	}
	guest := vm.GuestOf(h.spec, image, h.mode, fleet.WallClock, h.accelerator)
	d := guest.Domain(h.domainName, h.fleet.cfg.Cell+" "+h.spec.Name, h.disk)
	if t != nil {
		d = vm.CopyOf(d, t)
	}
	if err := h.log.Restart(note); err != nil {
		return err
	}
	m, err := v.CreateMachine(ctx, d, t, vm.Listener{
		Log: h.log, Service: h.service, Emit: h.emitGuest, Hear: func(m *vm.Machine, n vm.News) { h.inbox.Put(heard{m, n}) },
	})
	if err != nil {
		return err
	}
	h.machine = m
	h.begin(t != nil)
	if err := m.Resume(ctx); err != nil {
		return err
	}
	v.RecordCommandLine(h.domainName)
	return nil
}

// begin is the instant in which a boot begins.
func (h *host) begin(cloned bool) {
	h.boot++
	h.state = vm.Booting
	h.panic, h.told, h.outage = panics.Join{}, false, outage{}
	h.emit(fleet.Booting{Mode: h.mode, Cloned: cloned})
	h.awaitHello()
	h.watchOver()
	if h.silent = !cloned; h.silent {
		h.remind(h.fleet.firstByte, firstByteDue)
	}
}

// domainEvent takes an event of this host's present domain.
func (h *host) domainEvent(ctx context.Context, e vm.DomainEvent) {
	switch {
	case e.Reboot: // by the guest
		h.reset(ctx)
	case e.Kind == golibvirt.DomainEventCrashed && (h.state == vm.Booting || h.state == vm.Up):
		h.devicePanic()
	case e.DiskFailed():
		h.powerOff(ctx)
		h.infra("write to disk", connect.ErrDiskFailed)
	case e.Kind == golibvirt.DomainEventShutdown:
		h.told = e.ToldToEnd()
	case e.Kind == golibvirt.DomainEventStopped:
		h.stopped(ctx, golibvirt.DomainEventStoppedDetailType(e.Detail))
	}
}

// stopped: QEMU ended without our doing.
func (h *host) stopped(ctx context.Context, why golibvirt.DomainEventStoppedDetailType) {
	what := h.machine.Ended(why, h.told, h.fleet.oomKills)
	h.powerOff(ctx)
	h.emit(what)
}

// awaitHello gives the host its time for a hello.
func (h *host) awaitHello() {
	h.bootBy = time.Since(h.fleet.start) + h.fleet.helloTimeout
	h.remind(h.fleet.helloTimeout, helloDue)
}

func (h *host) due(what reminder) {
	running := h.state == vm.Booting || h.state == vm.Up
	now := time.Since(h.fleet.start)
	switch {
	case what == outageDue && running && now >= h.outage.limit && h.outage.lasts(h.spoke()):
		h.unheard()
	case what == silenceDue && running:
		h.silence(now)
	case what == helloDue && (len(h.outage.wires) > 0 || now < h.bootBy): // it may have said it: it has time anew when it can be heard
	case what == helloDue && h.state == vm.Booting && !h.panic.Doubtful():
		h.freeSlot()
		h.emit(fleet.BootFailed{Reason: fmt.Sprintf("no hello within %v", h.fleet.helloTimeout), Excerpt: h.log.End()})
	case what == firstByteDue && h.state == vm.Booting && h.silent:
		// Not even the firmware has said a word: that is not the guest's doing.
		h.powerOff(context.WithoutCancel(h.fleet.ctx))
		h.infra("boot host", fmt.Errorf("its VM printed nothing within %v", h.fleet.firstByte))
	case what == consoleDue && h.panic.Waits():
		h.settle()
	case what == traceDue && h.log.Panicking():
		for _, r := range h.log.Settle() {
			h.consolePanic(r)
		}
	case what == drainedDue && running && h.panic.Doubtful():
		h.heard = h.machine.Channel.Heard()
		h.remind(2*h.spec.Tempo.Beat+deviceSettle, deviceDue)
	case what == deviceDue && running && h.panic.Doubtful():
		if h.machine.Channel.Heard() > h.heard {
			h.panic.Refute()
			h.log.Settle()
			h.emit(panics.LivesOn)
			return
		}
		h.freeSlot()
		h.state = vm.Stopped
		h.emitPanic("console", *h.panic.Cause())
	}
}

func (h *host) infra(op string, err error) {
	h.emit(fleet.InfraFailed{Op: op, Reason: err.Error()})
}

func (h *host) emit(what fleet.Happening) { h.fleet.emit(h.spec.Name, what) }

// emitGuest is emit for what a guest said: it waits while the fleet's owner does not keep up.
func (h *host) emitGuest(what fleet.Happening) {
	if !h.fleet.waitForRoom() {
		return
	}
	h.emit(what)
	switch what.(type) {
	case fleet.Hello, fleet.Beat:
		h.lastSign.Store(int64(time.Since(h.fleet.start)))
	}
}

// remind sends the host a message after d, unless another boot or the end comes first.
func (h *host) remind(d time.Duration, what reminder) {
	boot := h.boot
	h.fleet.timers.After(d, func() { h.inbox.Put(due{what, boot}) })
}

func (h *host) freeSlot() {
	if h.slot {
		h.slot = false
		<-h.slots
	}
}
