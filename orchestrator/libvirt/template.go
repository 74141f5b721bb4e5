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
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
	"github.com/fleetfall/fleetfall/vmimages"
)

// templateName is the name of the VM that is to become a template.
func (h *Hypervisor) templateName(kind vm.Kind) string {
	name := fmt.Sprintf("%st-%s-%s-%s-%d",
		qemu.DomainPrefix(h.cfg.RunID), kind.Image, kind.Architecture, cmp.Or(kind.Oops, fleet.OopsPanic), kind.Memory>>20)
	if kind.Clock == fleet.VirtualClock {
		name += "-" + string(kind.Mode)
	}
	return name
}

// templateKey names a template by all that it depends on. It changes with the domain's own description, and so with
// every change of this package to it.
func (h *Hypervisor) templateKey(image vmimages.Image, kind vm.Kind) (string, error) {
	f := h.Facts()
	d := kind.Guest(image, f.Accelerator.Name).Domain("t", "template", "/disk")
	d.RAM = domain.File{Path: "/ram", Share: true}
	d.Console, d.Link = domain.Socket{Path: "/serial"}, domain.Channel{Path: "/guest"}
	door := ""
	if d.Virtual() {
		d.Console, d.Link = domain.Pipe{Path: "/serial"}, domain.Mailbox{Memory: "/mailbox", Bell: "/bell"}
		door = fmt.Sprintf("door %d %d", vm.DoorHolds, vm.DoorTicks)
	}
	xml, err := d.XML()
	if err != nil {
		return "", err
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%d %q %q %q %q %q %q %q %q %q", template.Schema, image.Digest, image.Disk, xml, f.QEMU, f.Libvirt,
		f.CPU, f.Accelerator.Name, h.site.Place.Facts().Emulator, door))
	return fmt.Sprintf("%s-%s-%x", kind.Image, kind.Architecture, key[:8]), nil
}

// makeTemplate boots a host to its first question and keeps what it then is. pace is how it is stopped at the door,
// see doorPaces.
func (h *Hypervisor) makeTemplate(
	ctx context.Context, image vmimages.Image, kind vm.Kind, key string, pace time.Duration,
) (t *template.Template, err error) {
	name := h.templateName(kind)
	files := h.shelf.Name(key, name)
	t = &template.Template{From: "booted for this run"}
	var disk string
	if kind.Clock != fleet.VirtualClock {
		disk, err = h.site.Files.Overlay(ctx, files+template.DiskSuffix, "raw", image.Disk, image.DiskSize)
		t.Disk = disk
	} else { // a disk of which nothing is kept
		disk, err = h.site.Local.CopyDisk(files+template.DiskSuffix, image.Disk)
		defer func() {
			err = errors.Join(err, h.site.Files.Remove(context.WithoutCancel(ctx), files+template.DiskSuffix))
		}()
	}
	if err != nil {
		return nil, fmt.Errorf("make template: %w", err)
	}
	ram, err := h.site.Files.Blank(ctx, files+template.RAMSuffix, kind.Memory)
	if err != nil {
		return nil, fmt.Errorf("make template: %w", err)
	}
	d := kind.Guest(image, h.Facts().Accelerator.Name).Domain(name, "template", disk)
	d.RAM = domain.File{Path: ram, Share: true}
	log, err := guestlink.OpenConsoleLog("", name)
	if err != nil {
		return nil, err
	}
	asked := make(chan protocol.Request, 1)
	messages := inbox.New[makerMessage]()
	l := vm.Listener{
		Hear: func(m *vm.Machine, n vm.News) { messages.Put(makerHeard{m, n}) },
		Log:  log, Service: &guestlink.Service{}, Emit: func(fleet.Happening) {},
		Ask: func(r protocol.Request) {
			select {
			case asked <- r:
			default:
			}
		},
		Rung: func(m *vm.Machine) { messages.Put(makerHeard{m, m.HeardRing()}) },
	}
	m, err := h.site.CreateMachine(ctx, d, nil, l)
	if err != nil {
		return nil, fmt.Errorf("make template: %w", err)
	}
	defer func() { err = errors.Join(err, m.Destroy(context.WithoutCancel(ctx))) }()
	begin := time.Now()
	if err := m.Resume(ctx); err != nil {
		return nil, fmt.Errorf("make template: %w", err)
	}
	t.RAM = ram
	if kind.Clock != fleet.VirtualClock {
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
	if t.Kept.Overhead, err = h.site.Place.PrivateMemory(name); err != nil {
		h.site.Log.Debug().Err(err).Msg("QEMU's own memory is not known")
	}
	if t.State, err = h.save(ctx, m); err != nil {
		return t, fmt.Errorf("make template: %w", err)
	}
	return t, nil
}

// awaitQuestion waits until the guest asks who it is, and notes what that took.
func awaitQuestion(
	ctx context.Context, messages *inbox.Inbox[makerMessage], asked <-chan protocol.Request, begin time.Time, b *template.Boot,
) (protocol.Request, error) {
	nothing := fmt.Errorf("the guest asked nothing within %v", templateTime)
	ctx, cancel := context.WithTimeoutCause(ctx, templateTime, nothing)
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

// save stops the VM, unless it stands still already, and returns the state of its devices. Its memory is a shared
// file. The VM is gone then.
func (h *Hypervisor) save(ctx context.Context, m *vm.Machine) ([]byte, error) {
	name := m.Domain.Name + vm.SaveSuffix
	err := h.site.Line.Call(ctx, "save template", connect.CreateTime, func(l *golibvirt.Libvirt) error {
		if err := l.DomainSuspend(m.Domain); err != nil {
			return err
		}
		const leaveMemory = `{"execute":"migrate-set-capabilities","arguments":{"capabilities":[{"capability":"` +
			template.IgnoreShared + `","state":true}]}}`
		if _, err := l.QEMUDomainMonitorCommand(m.Domain, leaveMemory, 0); err != nil {
			return err
		}
		return l.DomainSaveFlags(m.Domain, h.site.Files.Output(name), nil, 0)
	})
	if err != nil {
		return nil, err
	}
	image, err := h.site.Files.Read(ctx, name, template.MaxState+template.MaxSaveXML)
	if err = errors.Join(err, h.site.Files.Remove(ctx, name)); err != nil {
		return nil, err
	}
	state, err := template.SavedState(image)
	if err != nil {
		return nil, err
	}
	return template.PrivateState(state)
}
