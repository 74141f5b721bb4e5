package libvirt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
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

// Prepare finds or makes the templates for hosts like this one on a clock, and tries a copy of each: hosts of its
// image, which is given too, its architecture, memory and way to take a fault in the kernel. Fleets that are made
// from now on start such hosts as copies. When that is impossible they boot, and the Preparation says why.
//
// The error is ctx's, or that of a testbed that cannot run VMs at all.
func (h *Hypervisor) Prepare(
	ctx context.Context, image vmimages.Image, like fleet.HostSpec, clock fleet.Clock,
) (Preparation, error) {
	modes := []fleet.BootMode{fleet.Normal}
	if clock == fleet.VirtualClock {
		modes = append(modes, fleet.Safe)
	}
	var first Preparation
	for i, mode := range modes {
		p, err := h.prepareKind(ctx, image, vm.KindOf(like, clock, mode))
		if err != nil || !p.Copies {
			return p, err
		}
		if i == 0 {
			first = p
		}
	}
	return first, nil
}

func (h *Hypervisor) prepareKind(ctx context.Context, image vmimages.Image, kind vm.Kind) (Preparation, error) {
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

// prepareTemplate returns a template of which a copy was tried. With an error, the template is what is known of the
// boot.
func (h *Hypervisor) prepareTemplate(ctx context.Context, image vmimages.Image, kind vm.Kind) (*template.Template, error) {
	image, err := h.site.Image(ctx, image)
	if err != nil {
		return nil, err
	}
	key, err := h.templateKey(image, kind)
	if err != nil {
		return nil, err
	}
	t, err := h.shelf.Find(ctx, key, h.templateName(kind), kind.Clock != fleet.VirtualClock)
	if err == nil && t != nil {
		if err = h.tryCopy(ctx, image, kind, t); err == nil {
			return t, nil
		}
	}
	if ctx.Err() != nil {
		return t, ctx.Err()
	}
	if err != nil {
		h.site.Log.Warn().Err(err).Str("template", key).Msg("a kept template is of no use and is made again")
		if err := h.shelf.Discard(ctx, key); err != nil {
			h.site.Log.Warn().Err(err).Str("template", key).Msg("it could not be removed")
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
		_ = h.site.Files.Remove(context.WithoutCancel(ctx), name+template.RAMSuffix)
		_ = h.site.Files.Remove(context.WithoutCancel(ctx), name+template.DiskSuffix)
		return t, err
	}
	if path, err := h.shelf.Keep(ctx, t, key); err != nil {
		h.site.Log.Warn().Err(err).Msg("the template is not kept for later runs")
	} else if path != "" {
		t.From += ", and kept in " + path
	}
	return t, nil
}

// tryCopy starts one copy and waits until it says hello: that cloning works here is not to be believed before.
func (h *Hypervisor) tryCopy(ctx context.Context, image vmimages.Image, kind vm.Kind, t *template.Template) (err error) {
	spec := fleet.HostSpec{
		Name: "copy", Image: kind.Image, Architecture: kind.Architecture, MemoryBytes: kind.Memory, Oops: kind.Oops,
		Tempo: fleet.Tempo{Beat: time.Minute, Poll: time.Minute, Work: time.Minute, Threat: time.Minute},
	}
	cfg := vm.FleetConfig{
		Cell: "copy", Clock: kind.Clock, Images: map[string]vmimages.Image{image.Name: image},
		Hosts: []fleet.HostSpec{spec}, HelloTimeout: templateTime,
	}
	h.site.SetTemplate(kind, t)
	defer func() {
		if err != nil {
			h.site.SetTemplate(kind, nil)
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
	if err := f.Do(ctx, fleet.Boot{Host: spec.Name, Mode: kind.Mode}); err != nil {
		return fmt.Errorf("try a copy: %w", err)
	}
	for {
		e, err := f.Next(ctx)
		if err != nil {
			return fmt.Errorf("try a copy: %w", err)
		}
		switch what := e.What.(type) {
		case fleet.Beat: // it has said hello, and has done what every guest does at its start
			if t.Kept.Own, err = h.site.Place.PrivateMemory(f.DomainOf(spec.Name)); err != nil {
				h.site.Log.Debug().Err(err).Msg("a copy's memory is not known")
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
