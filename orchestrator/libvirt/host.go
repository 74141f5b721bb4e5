package libvirt

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/orchestrator/console"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/inbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
	"github.com/fleetfall/fleetfall/vmimages"
)

// A state is what a host's VM does, as far as this package has to know.
type state int

const (
	off     state = iota
	booting       // started, no hello yet
	up            // said hello
	stopped       // panicked: it stands still until an action
)

// A host is one VM of a fleet over all of its boots. Its run method owns everything below the line; others put messages
// into its inbox.
type host struct {
	fleet       *vmFleet
	hypervisor  *Hypervisor // of its machine
	slots       chan struct{}
	spec        fleet.HostSpec
	image       vmimages.Image
	domainName  string
	accelerator string
	inbox       *inbox.Inbox[any]
	service     *guestlink.Service
	log         *guestlink.ConsoleLog
	template    *template.Template // of which its first boot is a copy; nil when that is a real boot too
	lastSign    atomic.Int64       // when it gave its last sign of life, in ns on the fleet's clock

	// ------
	state   state
	mode    fleet.BootMode
	machine *machine        // nil when off
	disk    string          // path of the overlay; empty before there is one
	wish    *fleet.BootMode // a boot that waits for a slot
	slot    bool            // holds one of the machine's boot slots
	lost    bool            // its machine was given up
	silent  bool            // its console has printed nothing in this boot
	told    bool            // QEMU was told to end, and not by its guest
	boot    int             // counts boots; a timer of an earlier one means nothing
	bootBy  time.Duration   // when it has to have said hello
	outage  outage          // of its console and channel
	cause   *console.Report
	device  bool // the panic device's event came, the console's report has not
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

func (h *host) handle(ctx context.Context, message any) {
	switch m := message.(type) {
	case power:
		h.power(ctx, m.action)
	case connect.Event:
		if h.machine != nil && m.UUID == h.machine.domain.UUID {
			h.domainEvent(ctx, m)
		}
	case saidHello:
		if m.m == h.machine && h.state == booting {
			h.state = up
			h.freeSlot()
		}
	case spoke:
		if m.m == h.machine {
			h.silent = false
		}
	case abandoned:
		h.abandon(m.err)
	case cut:
		if m.m == h.machine {
			h.cutOff(m)
		}
	case restored:
		if m.m == h.machine {
			h.restored(m)
		}
	case crashing:
		if m.m == h.machine {
			h.remind(traceSettle, "trace")
		}
	case crashed:
		if m.m == h.machine && m.report.Panicked {
			h.consolePanic(m.report)
		}
	case failed:
		if m.m == h.machine {
			h.infra(m.op, m.err)
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

func (h *host) power(ctx context.Context, action fleet.Action) {
	if h.lost {
		h.infra("reach its machine", h.hypervisor.line.Reason())
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

// reset is a power cycle. QEMU's own reset keeps the translated code of the boot before, and the guest, overwriting what it
// was translated from, takes twice the CPU time of a fresh QEMU to come up; and a copy of a template has no kernel to boot.
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
	h.state, h.wish = off, nil
	h.boot++
	h.infra("reach its machine", err)
}

// powerOff takes the VM away, if there is one. Its disk stays.
func (h *host) powerOff(ctx context.Context) {
	h.settle()
	h.freeSlot()
	h.state = off
	h.boot++
	if h.machine == nil {
		return
	}
	m := h.machine
	h.machine = nil
	if err := m.destroy(context.WithoutCancel(ctx)); err != nil {
		h.infra("power host off", err)
	}
}

// start fulfils the wish for a boot, now that a slot is there.
func (h *host) start(ctx context.Context) {
	h.mode, h.wish = *h.wish, nil
	if err := h.create(ctx); err != nil {
		h.powerOff(ctx)
		if ctx.Err() == nil {
			h.infra("boot host", h.hypervisor.onFullDisk(err))
		}
	}
}

// create makes the host's VM: a copy of its template when it has never run, else one that boots from its disk.
func (h *host) create(ctx context.Context) error {
	v := h.hypervisor
	image, err := v.image(ctx, h.image)
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
		if h.disk, err = v.files.Overlay(ctx, h.domainName+template.DiskSuffix, format, base, image.DiskSize); err != nil {
			h.disk = ""
			return fmt.Errorf("create disk: %w", err)
		}
	}
	d := guestOf(h.spec, image, h.mode, fleet.WallClock, h.accelerator).domain(h.domainName, h.fleet.cfg.Cell+" "+h.spec.Name, h.disk)
	if t != nil {
		d = copyOf(d, t)
	}
	if err := h.log.Restart(note); err != nil {
		return err
	}
	m, err := v.createMachine(ctx, d, t, listener{inbox: h.inbox, log: h.log, service: h.service, emit: h.emitGuest})
	if err != nil {
		return err
	}
	h.machine = m
	h.begin(t != nil)
	if err := m.resume(ctx); err != nil {
		return err
	}
	v.recordCommandLine(h.domainName)
	return nil
}

// begin is the instant in which a boot begins.
func (h *host) begin(cloned bool) {
	h.boot++
	h.state = booting
	h.cause, h.device, h.told, h.outage = nil, false, false, outage{}
	h.emit(fleet.Booting{Mode: h.mode, Cloned: cloned})
	h.awaitHello()
	h.watchOver()
	if h.silent = !cloned; h.silent {
		h.remind(h.fleet.firstByte, "first byte")
	}
}

// domainEvent takes an event of this host's present domain.
func (h *host) domainEvent(ctx context.Context, e connect.Event) {
	switch {
	case e.Reboot: // by the guest
		h.reset(ctx)
	case e.Kind == golibvirt.DomainEventCrashed && (h.state == booting || h.state == up):
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
	what := h.hypervisor.ended(ending{h.domainName, why, h.told, h.machine.pid, h.fleet.oomKills})
	h.powerOff(ctx)
	h.emit(what)
}

// devicePanic: the panic device said that the kernel panicked. Why is on the console, which may still be on its way.
func (h *host) devicePanic() {
	h.freeSlot()
	h.state = stopped
	if h.cause != nil {
		h.emitPanic("device", *h.cause)
		return
	}
	h.device = true
	h.remind(consoleSettle, "console")
}

// consolePanic: the console said so. The device's event should come; where it does not, the guest either has no driver
// for the device, or lives on and somebody forged the console: then it is heard of again.
func (h *host) consolePanic(r console.Report) {
	switch {
	case h.device:
		h.device = false
		h.emitPanic("device", r)
	case h.state != booting && h.state != up, h.cause != nil:
	default:
		h.cause = &r
		if h.machine.channel.Booted() {
			// First what it sent before it died has to be read.
			h.remind(deviceSettle, "drained")
		} else {
			h.remind(deviceSettle, "device")
		}
	}
}

// awaitHello gives the host its time for a hello.
func (h *host) awaitHello() {
	h.bootBy = time.Since(h.fleet.start) + h.fleet.helloTimeout
	h.remind(h.fleet.helloTimeout, "hello")
}

func (h *host) due(what string) {
	running := h.state == booting || h.state == up
	now := time.Since(h.fleet.start)
	switch {
	case what == "outage" && running && now >= h.outage.limit && h.outage.lasts(h.spoke()):
		h.unheard()
	case what == "silence" && running:
		h.silence(now)
	case what == "hello" && (len(h.outage.wires) > 0 || now < h.bootBy): // it may have said it: it has time anew when it can be heard
	case what == "hello" && h.state == booting && h.cause == nil:
		h.freeSlot()
		h.emit(fleet.BootFailed{Reason: fmt.Sprintf("no hello within %v", h.fleet.helloTimeout), Excerpt: h.log.End()})
	case what == "first byte" && h.state == booting && h.silent:
		// Not even the firmware has said a word: that is not the guest's doing.
		h.powerOff(context.WithoutCancel(h.fleet.ctx))
		h.infra("boot host", fmt.Errorf("its VM printed nothing within %v", h.fleet.firstByte))
	case what == "console" && h.device:
		h.settle()
	case what == "trace" && h.log.Panicking():
		for _, r := range h.log.Settle() {
			h.consolePanic(r)
		}
	case what == "drained" && running && h.cause != nil:
		h.heard = h.machine.channel.Heard()
		h.remind(2*h.spec.Tempo.Beat+deviceSettle, "device")
	case what == "device" && running && h.cause != nil:
		if h.machine.channel.Heard() > h.heard {
			h.cause = nil
			h.log.Settle()
			h.emit(livesOn)
			return
		}
		h.freeSlot()
		h.state = stopped
		h.emitPanic("console", *h.cause)
	}
}

// settle reports a panic that still waited for its cause, before something else happens to the host.
func (h *host) settle() {
	if !h.device {
		return
	}
	h.device = false
	report := console.Report{Title: "panic without a word on the console", Type: console.TypeUnknown}
	for _, r := range h.log.Settle() {
		report = r // the last, even if it was cut short before its panic
	}
	h.emitPanic("device", report)
}

// emitPanic tells of a panic and, at the first, dumps the VM's memory then. What is to be done to the host waits for that.
func (h *host) emitPanic(source string, r console.Report) {
	h.emit(panicOf(source, r))
	if !h.fleet.cfg.dumps(h.spec, h.dumped) || h.lost || h.machine == nil || h.fleet.ctx.Err() != nil {
		return
	}
	h.dumped = true
	dir := filepath.Join(h.fleet.cfg.ConsoleDir, h.spec.Name)
	h.emit(h.machine.keepMemory(context.WithoutCancel(h.fleet.ctx), dir, h.spec.MemoryBytes))
}

// livesOn says that somebody forged a panic on the console.
var livesOn = fleet.GuestLog{Text: "the console shows a panic, but the guest lives on: not counted"}

// panicOf is the event of a panic that was told by the source, with the cause that the console gave.
func panicOf(source string, r console.Report) fleet.Panic {
	return fleet.Panic{
		Source: source, Title: r.Title, Type: r.Type, Module: r.Module, Function: r.Function, Offset: r.Offset,
		Excerpt: strings.Join(r.Excerpt, "\n"), Caller: r.Caller,
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
func (h *host) remind(d time.Duration, what string) {
	boot := h.boot
	h.fleet.timers.After(d, func() { h.inbox.Put(due{what, boot}) })
}

func (h *host) freeSlot() {
	if h.slot {
		h.slot = false
		<-h.slots
	}
}
