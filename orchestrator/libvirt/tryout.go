package libvirt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fleetfall/fleetfall/agents/architecture"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
	"github.com/fleetfall/fleetfall/vmimages"
)

// How long an image may take to say hello. It takes some two seconds under KVM, and some three emulated, on a machine
// that has nothing else to do; so no time of the wall clock tells a KVM that does not work from a machine that is
// busy. An emulated boot that runs beside it, on the same machine at the same time, does.
const (
	leastPatience = 20 * time.Second // with KVM, however soon the emulated one is there
	patience      = 4                // with KVM, in times of what the emulated one took
	tryoutLimit   = 2 * time.Minute  // after which neither is waited for
)

// An attempt is how one boot of a tryout ended.
type attempt struct {
	hello  bool
	failed string // why not, by itself and not for want of time
	err    error  // the daemon failed: nothing can be said of the accelerator
}

// tryout boots the image under an accelerator and, beside that, emulated. It waits until both VMs are gone.
func (h *Hypervisor) tryout(ctx context.Context, image vmimages.Image, accelerator string) (_ Accelerator, proven bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	tried, emulated := make(chan attempt, 1), make(chan attempt, 1)
	go func() { tried <- h.attempt(ctx, image, accelerator); close(tried) }()
	go func() { emulated <- h.attempt(ctx, image, TCG); close(emulated) }()
	defer func() {
		cancel()
		for range tried {
		}
		for range emulated {
		}
	}()
	return race(ctx, accelerator, tried, emulated)
}

// race decides by which boot says hello. An accelerator that fails, or is not there after patience times what the
// emulated boot took, has proven that it does not work, if that one has said hello. Without that nothing is proven,
// and the image is emulated this time.
func race(ctx context.Context, accelerator string, tried, emulated <-chan attempt) (_ Accelerator, proven bool, err error) {
	began := time.Now()
	limit := time.NewTimer(tryoutLimit)
	defer limit.Stop()
	var late <-chan time.Time // the accelerator, once the emulated boot is there
	failed, lateBy := "", ""
	failure := func(why string) Accelerator {
		return Accelerator{TCG, "a real boot under " + accelerator + " failed: " + why}
	}
	for {
		select {
		case a := <-tried:
			tried = nil
			switch {
			case a.err != nil:
				return Accelerator{}, false, a.err
			case a.hello:
				return Accelerator{accelerator, "the image booted under it"}, true, nil
			case late != nil:
				return failure(a.failed), true, nil
			case emulated == nil:
				return failure(a.failed + "; an emulated one failed too, so that this is tried again next time"), false, nil
			}
			failed = a.failed
		case a := <-emulated:
			emulated = nil
			took := time.Since(began)
			switch {
			case a.hello && failed != "":
				return failure(failed), true, nil
			case a.hello:
				given := max(leastPatience, patience*took)
				late, lateBy = time.After(given-took), fmt.Sprintf("no hello within %v, when an emulated one beside it took %v",
					given.Round(time.Second), took.Round(100*time.Millisecond))
			case failed != "":
				return failure(failed + "; an emulated one failed too, so that this is tried again next time"), false, nil
			}
		case <-late:
			return failure(lateBy), true, nil
		case <-limit.C:
			return failure(fmt.Sprintf("%s; no emulated one beside it was there early enough within %v to tell whether the machine is just "+
				"busy, so that this is tried again next time", cmp.Or(failed, "no hello"), tryoutLimit)), false, nil
		case <-ctx.Done():
			return Accelerator{}, false, ctx.Err()
		}
	}
}

// attempt boots the image once, and takes it down again. It waits for a hello as long as ctx lasts.
func (h *Hypervisor) attempt(ctx context.Context, image vmimages.Image, accelerator string) (a attempt) {
	f, err := Machines{h}.newFleet(vm.FleetConfig{
		Cell: "probe", Images: map[string]vmimages.Image{image.Name: image}, HelloTimeout: 2 * tryoutLimit, FirstByte: 2 * tryoutLimit,
		Hosts: []fleet.HostSpec{{
			Name: "probe", Architecture: architecture.None, Image: image.Name, MemoryBytes: 128 << 20,
			Tempo: fleet.Tempo{Beat: time.Minute, Poll: time.Minute, Work: time.Minute, Threat: time.Minute},
		}},
	}, accelerator)
	if err != nil {
		return attempt{err: err}
	}
	defer func() {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		a.err = errors.Join(a.err, f.Close(cleanup))
	}()
	if err := f.Do(ctx, fleet.Boot{Host: "probe", Mode: fleet.Safe}); err != nil {
		return attempt{err: err}
	}
	for {
		e, err := f.Next(ctx)
		if err != nil {
			return attempt{err: err}
		}
		switch what := e.What.(type) {
		case fleet.Hello:
			return attempt{hello: true}
		case fleet.BootFailed:
			return attempt{failed: what.Reason}
		case fleet.Panic:
			return attempt{failed: what.Title}
		case fleet.PoweredOff:
			return attempt{failed: "the guest switched itself off"}
		case fleet.InfraFailed:
			if e.Host == "" { // the daemon, not the accelerator
				return attempt{err: &fleet.InfraError{Op: what.Op, Err: errors.New(what.Reason)}}
			}
			return attempt{failed: what.Op + ": " + what.Reason}
		}
	}
}
