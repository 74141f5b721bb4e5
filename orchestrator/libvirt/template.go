package libvirt

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/domain"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/inbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
	"github.com/fleetfall/fleetfall/vmimages"
)

// A Boot is what one boot took, from power-on, on this machine as busy as it was.
type Boot = template.Boot

// A Preparation is what is known of hosts of one kind before any of them boots.
type Preparation struct {
	Node     string        // name of the machine; "" for the only one
	Copies   bool          // first boots can be copies of a template
	Reason   string        // why they cannot, or where the template is from
	Boot     template.Boot // the template's; zero when it is not known
	Overhead int64         // bytes that QEMU took besides the guest's memory when the template stood still; 0 when not known
	Own      int64         // bytes that a copy had in memory that no other shares, at its first beat; 0 when not known
}

// Prepare finds or makes the templates for hosts like this one on a clock, and tries a copy of each: hosts of its image, which is
// given too, its architecture, memory and way to take a fault in the kernel. Fleets that are made from now on start such hosts as
// copies. When that is impossible they boot, and the Preparation says why.
//
// The error is ctx's, or that of a testbed that cannot run VMs at all.
func (h *Hypervisor) Prepare(ctx context.Context, image vmimages.Image, like fleet.HostSpec, clock fleet.Clock) (Preparation, error) {
	modes := []fleet.BootMode{fleet.Normal}
	if clock == fleet.VirtualClock {
		modes = append(modes, fleet.Safe)
	}
	var first Preparation
	for i, mode := range modes {
		p, err := h.prepareKind(ctx, image, kindOf(like, clock, mode))
		if err != nil || !p.Copies {
			return p, err
		}
		if i == 0 {
			first = p
		}
	}
	return first, nil
}

func (h *Hypervisor) prepareKind(ctx context.Context, image vmimages.Image, kind templateKind) (Preparation, error) {
	t, err := h.prepareTemplate(ctx, image, kind)
	p := Preparation{Node: h.cfg.Node}
	if t != nil {
		p.Boot, p.Overhead, p.Own, p.Reason = t.Kept.Boot, t.Kept.Overhead, t.Kept.Own, t.From
	}
	switch {
	case ctx.Err() != nil:
		return p, ctx.Err()
	case connect.IsLost(err):
		return p, err
	case err != nil:
		p.Reason = err.Error()
		return p, nil
	}
	p.Copies = true
	return p, nil
}

// prepareTemplate returns a template of which a copy was tried. With an error, the template is what is known of the boot.
func (h *Hypervisor) prepareTemplate(ctx context.Context, image vmimages.Image, kind templateKind) (*template.Template, error) {
	image, err := h.site.image(ctx, image)
	if err != nil {
		return nil, err
	}
	key, err := h.templateKey(image, kind)
	if err != nil {
		return nil, err
	}
	t, err := h.shelf.Find(ctx, key, h.templateName(kind), kind.clock != fleet.VirtualClock)
	if err == nil && t != nil {
		if err = h.tryCopy(ctx, image, kind, t); err == nil {
			return t, nil
		}
	}
	if ctx.Err() != nil {
		return t, ctx.Err()
	}
	if err != nil {
		h.site.log.Warn().Err(err).Str("template", key).Msg("a kept template is of no use and is made again")
		if err := h.shelf.Discard(ctx, key); err != nil {
			h.site.log.Warn().Err(err).Str("template", key).Msg("it could not be removed")
		}
	}
	for _, pace := range doorPaces {
		if t, err = h.makeTemplate(ctx, image, kind, key, pace); !errors.Is(err, errDoor) {
			break
		}
	}
	if err == nil {
		err = h.tryCopy(ctx, image, kind, t)
	}
	if err != nil {
		// Hosts that boot instead may need the room. What cannot be removed, or was never there, goes with the run.
		name := h.shelf.Name(key, h.templateName(kind))
		_ = h.site.files.Remove(context.WithoutCancel(ctx), name+template.RAMSuffix)
		_ = h.site.files.Remove(context.WithoutCancel(ctx), name+template.DiskSuffix)
		return t, err
	}
	if path, err := h.shelf.Keep(ctx, t, key); err != nil {
		h.site.log.Warn().Err(err).Msg("the template is not kept for later runs")
	} else if path != "" {
		t.From += ", and kept in " + path
	}
	return t, nil
}

// templateName is the name of the VM that is to become a template.
func (h *Hypervisor) templateName(kind templateKind) string {
	name := fmt.Sprintf("%st-%s-%s-%s-%d",
		qemu.DomainPrefix(h.cfg.RunID), kind.image, kind.architecture, cmp.Or(kind.oops, fleet.OopsPanic), kind.memory>>20)
	if kind.clock == fleet.VirtualClock {
		name += "-" + string(kind.mode)
	}
	return name
}

// templateKey names a template by all that it depends on. It changes with the domain's own description, and so with
// every change of this package to it.
func (h *Hypervisor) templateKey(image vmimages.Image, kind templateKind) (string, error) {
	f := h.Facts()
	d := kind.guest(image, f.Accelerator.Name).domain("t", "template", "/disk")
	d.Console, d.Link, d.RAM = domain.Socket{Path: "/serial"}, domain.Channel{Path: "/guest"}, domain.File{Path: "/ram", Share: true}
	door := ""
	if d.Virtual() {
		d.Console, d.Link = domain.Pipe{Path: "/serial"}, domain.Mailbox{Memory: "/mailbox", Bell: "/bell"}
		door = fmt.Sprintf("door %d %d", doorHolds, doorTicks)
	}
	xml, err := d.XML()
	if err != nil {
		return "", err
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%d %q %q %q %q %q %q %q %q %q", template.Schema, image.Digest, image.Disk, xml, f.QEMU, f.Libvirt,
		f.CPU, f.Accelerator.Name, h.site.place.facts().emulator, door))
	return fmt.Sprintf("%s-%s-%x", kind.image, kind.architecture, key[:8]), nil
}

// makeTemplate boots a host to its first question and keeps what it then is. pace is how it is stopped at the door, see doorPaces.
func (h *Hypervisor) makeTemplate(
	ctx context.Context, image vmimages.Image, kind templateKind, key string, pace time.Duration,
) (t *template.Template, err error) {
	name := h.templateName(kind)
	files := h.shelf.Name(key, name)
	t = &template.Template{From: "booted for this run"}
	var disk string
	if kind.clock != fleet.VirtualClock {
		disk, err = h.site.files.Overlay(ctx, files+template.DiskSuffix, "raw", image.Disk, image.DiskSize)
		t.Disk = disk
	} else { // a disk of which nothing is kept
		disk, err = h.site.local.CopyDisk(files+template.DiskSuffix, image.Disk)
		defer func() {
			err = errors.Join(err, h.site.files.Remove(context.WithoutCancel(ctx), files+template.DiskSuffix))
		}()
	}
	if err != nil {
		return nil, fmt.Errorf("make template: %w", err)
	}
	ram, err := h.site.files.Blank(ctx, files+template.RAMSuffix, kind.memory)
	if err != nil {
		return nil, fmt.Errorf("make template: %w", err)
	}
	d := kind.guest(image, h.Facts().Accelerator.Name).domain(name, "template", disk)
	d.RAM = domain.File{Path: ram, Share: true}
	log, err := guestlink.OpenConsoleLog("", name)
	if err != nil {
		return nil, err
	}
	asked := make(chan protocol.Request, 1)
	messages := inbox.New[makerMessage]()
	l := listener{hear: func(m *machine, n news) { messages.Put(makerHeard{m, n}) }, log: log, service: &guestlink.Service{}, emit: func(fleet.Happening) {}, ask: func(r protocol.Request) {
		select {
		case asked <- r:
		default:
		}
	}}
	l.rung = func(m *machine) { messages.Put(makerHeard{m, m.heardRing()}) }
	m, err := h.site.createMachine(ctx, d, nil, l)
	if err != nil {
		return nil, fmt.Errorf("make template: %w", err)
	}
	defer func() { err = errors.Join(err, m.destroy(context.WithoutCancel(ctx))) }()
	begin := time.Now()
	if err := m.resume(ctx); err != nil {
		return nil, fmt.Errorf("make template: %w", err)
	}
	t.RAM = ram
	if kind.clock != fleet.VirtualClock {
		var question protocol.Request
		question, err = awaitQuestion(ctx, messages, asked, begin, &t.Kept.Boot)
		t.Kept.Question = question.ID
	} else {
		keeper := doorkeeper{m: m, messages: messages, pace: pace, begin: begin, boot: &t.Kept.Boot}
		t.Kept.Door, err = keeper.stop(ctx)
	}
	if err != nil {
		return t, fmt.Errorf("make template: %w\n%s", err, log.End())
	}
	if t.Kept.Overhead, err = h.site.place.privateMemory(name); err != nil {
		h.site.log.Debug().Err(err).Msg("QEMU's own memory is not known")
	}
	if t.State, err = h.save(ctx, m); err != nil {
		return t, fmt.Errorf("make template: %w", err)
	}
	return t, nil
}

// A makerMessage is what who makes a template takes from the inbox: news of its VM and, on the virtual clock, what it does at the door.
type makerMessage interface{ toMaker() }

type makerHeard struct {
	m    *machine
	what news
}

func (makerHeard) toMaker() {}

// awaitQuestion waits until the guest asks who it is, and notes what that took.
func awaitQuestion(ctx context.Context, messages *inbox.Inbox[makerMessage], asked <-chan protocol.Request, begin time.Time, b *template.Boot) (protocol.Request, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, templateTime, fmt.Errorf("the guest asked nothing within %v", templateTime))
	defer cancel()
	for {
		select {
		case r := <-asked:
			b.Asked = time.Since(begin)
			return r, nil
		case <-ctx.Done():
			return protocol.Request{}, context.Cause(ctx)
		case <-messages.Ready:
			for message, ok := messages.Take(); ok; message, ok = messages.Take() {
				if h, ok := message.(makerHeard); ok {
					if err := hears(b, h.what, begin); err != nil {
						return protocol.Request{}, err
					}
				}
			}
		}
	}
}

// hears takes what is heard of a template's boot beside its question; an error is why nothing will come of it.
func hears(b *template.Boot, what news, begin time.Time) error {
	switch n := what.(type) {
	case spoke:
		b.FirstByte = time.Since(begin)
	case crashed:
		return fmt.Errorf("the guest crashed: %s", n.report.Title)
	case domainEvent:
		if n.Kind == golibvirt.DomainEventStopped || n.Kind == golibvirt.DomainEventCrashed {
			return errors.New("its VM ended")
		}
		if n.DiskFailed() {
			return connect.ErrDiskFailed
		}
	}
	return nil
}

// templateTime is how long a template's boot may take.
const templateTime = 3 * time.Minute

// save stops the VM, unless it stands still already, and returns the state of its devices. Its memory is a shared file. The VM is gone then.
func (h *Hypervisor) save(ctx context.Context, m *machine) ([]byte, error) {
	name := m.domain.Name + saveSuffix
	err := h.site.line.Call(ctx, "save template", connect.CreateTime, func(l *golibvirt.Libvirt) error {
		if err := l.DomainSuspend(m.domain); err != nil {
			return err
		}
		const leaveMemory = `{"execute":"migrate-set-capabilities","arguments":{"capabilities":[{"capability":"` + template.IgnoreShared + `","state":true}]}}`
		if _, err := l.QEMUDomainMonitorCommand(m.domain, leaveMemory, 0); err != nil {
			return err
		}
		return l.DomainSaveFlags(m.domain, h.site.files.Output(name), nil, 0)
	})
	if err != nil {
		return nil, err
	}
	image, err := h.site.files.Read(ctx, name, template.MaxState+template.MaxSaveXML)
	if err = errors.Join(err, h.site.files.Remove(ctx, name)); err != nil {
		return nil, err
	}
	state, err := template.SavedState(image)
	if err != nil {
		return nil, err
	}
	return template.PrivateState(state)
}

// tryCopy starts one copy and waits until it says hello: that cloning works here is not to be believed before.
func (h *Hypervisor) tryCopy(ctx context.Context, image vmimages.Image, kind templateKind, t *template.Template) (err error) {
	spec := fleet.HostSpec{
		Name: "copy", Image: kind.image, Architecture: kind.architecture, MemoryBytes: kind.memory, Oops: kind.oops,
		Tempo: fleet.Tempo{Beat: time.Minute, Poll: time.Minute, Work: time.Minute, Threat: time.Minute},
	}
	cfg := FleetConfig{Cell: "copy", Clock: kind.clock, Images: map[string]vmimages.Image{image.Name: image}, Hosts: []fleet.HostSpec{spec}, HelloTimeout: templateTime}
	h.site.setTemplate(kind, t)
	defer func() {
		if err != nil {
			h.site.setTemplate(kind, nil)
		}
	}()
	f, err := Machines{h}.newVMs(cfg)
	if err != nil {
		return fmt.Errorf("try a copy: %w", err)
	}
	defer func() {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), connect.CreateTime)
		defer cancel()
		err = errors.Join(err, f.Close(cleanup))
	}()
	if err := f.Do(ctx, fleet.Boot{Host: spec.Name, Mode: kind.mode}); err != nil {
		return fmt.Errorf("try a copy: %w", err)
	}
	for {
		e, err := f.Next(ctx)
		if err != nil {
			return fmt.Errorf("try a copy: %w", err)
		}
		switch what := e.What.(type) {
		case fleet.Beat: // it has said hello, and has done what every guest does at its start
			if t.Kept.Own, err = h.site.place.privateMemory(f.domainOf(spec.Name)); err != nil {
				h.site.log.Debug().Err(err).Msg("a copy's memory is not known")
			}
			return nil
		case fleet.BootFailed:
			return fmt.Errorf("try a copy: %s\n%s", what.Reason, what.Excerpt)
		case fleet.Panic:
			return fmt.Errorf("try a copy: %s", what.Title)
		case fleet.PoweredOff:
			return errors.New("try a copy: it switched itself off")
		case fleet.InfraFailed:
			return fmt.Errorf("try a copy: %s: %s", what.Op, what.Reason)
		}
	}
}
