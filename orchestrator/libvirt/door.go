package libvirt

import (
	"context"
	"errors"
	"fmt"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/inbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// Machines on the virtual clock are copied at a door: a boot's first request, in which a guest asks who it is before
// it has mounted its disk. Up to there all boots of an image are the same, whatever became of the host, so each boot
// of a host goes on from a template that stands there; the machine's clock, which the template's state holds, says
// how long it has run.

// doorPaces are how long, on the wall clock, a template is let stand at each ring: time for its being stopped to be
// asked for. One that could not be stopped, which happens on a machine that is very busy, is made again at the next
// pace.
var doorPaces = []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, 800 * time.Millisecond}

var errDoor = errors.New("the guest could not be stopped while it waited")

// A doorkeeper stops a machine at the door that becomes a template.
type doorkeeper struct {
	m        *vm.Machine
	messages *inbox.Inbox[makerMessage]
	pace     time.Duration // one of doorPaces
	begin    time.Time     // of its boot
	boot     *template.Boot
	door     template.Door
}

// Messages of a doorkeeper's own.
type (
	stood     struct{}            // the pace is over
	suspended struct{ err error } // the machine was stopped, or could not be
)

func (stood) toMaker()     {}
func (suspended) toMaker() {}

// stop lets the machine run up to the door, and stops it there.
func (k *doorkeeper) stop(ctx context.Context) (template.Door, error) {
	late := fmt.Errorf("the guest did not come to the door within %v", templateTime)
	ctx, cancel := context.WithTimeoutCause(ctx, templateTime, late)
	defer cancel()
	k.door = template.Door{Holds: vm.DoorHolds}
	for {
		select {
		case <-ctx.Done():
			return k.door, context.Cause(ctx)
		case <-k.messages.Ready:
		}
		for message, ok := k.messages.Take(); ok; message, ok = k.messages.Take() {
			var err error
			switch m := message.(type) {
			case makerHeard:
				err = k.hear(ctx, m.what)
			case stood:
				err = k.m.Mailbox.Hold(vm.DoorTicks)
			case suspended:
				k.door.Mailbox, err = k.m.Mailbox.Letters()
				return k.door, errors.Join(m.err, err)
			}
			if err != nil {
				return k.door, err
			}
		}
	}
}

func (k *doorkeeper) hear(ctx context.Context, what vm.News) error {
	ring, ok := what.(vm.Rang)
	switch {
	case !ok:
		return hears(k.boot, what, k.begin)
	case ring.Err != nil:
		return ring.Err
	case k.door.Holds == 0:
		return errDoor
	case k.door.Holds == vm.DoorHolds: // it is there
		r, err := protocol.ParseRequest(ring.Line)
		if err != nil {
			return err
		}
		if r.Identify == nil {
			return errors.New("its first request was not who it is")
		}
		k.boot.Asked, k.door.Asked = time.Since(k.begin), time.Duration(min(r.TSC, 1<<60))
		go func() {
			err := k.m.Site.Line.Call(ctx, "stop at the door", connect.CreateTime, func(l *golibvirt.Libvirt) error {
				return l.DomainSuspend(k.m.Domain)
			})
			k.messages.Put(suspended{err})
		}()
	}
	k.door.Holds--
	time.AfterFunc(k.pace, func() { k.messages.Put(stood{}) })
	return nil
}
