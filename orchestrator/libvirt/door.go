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
)

// Machines on the virtual clock are copied at a door: a boot's first request, in which a guest asks who it is before it has mounted
// its disk. Up to there all boots of an image are the same, whatever became of the host, so each boot of a host goes on from
// a template that stands there; the machine's clock, which the template's state holds, says how long it has run.
//
// As long as a guest rings, QEMU can do nothing else, and be stopped just as little. So every boot, also one that is no copy
// and one that becomes a template, is held at the door a number of times, each for a time in which the guest does nothing. In
// or about one of these it is stopped; its copies are held for the times that are left. So the door takes the same time in
// each of them, to the tick.
const (
	doorHolds = 8    // times that a boot is held
	doorTicks = 4000 // ns of the virtual clock for which it is, each time
)

// doorPaces are how long, on the wall clock, a template is let stand at each ring: time for its being stopped to be asked for. One
// that could not be stopped, which happens on a machine that is very busy, is made again at the next pace.
var doorPaces = []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, 800 * time.Millisecond}

var errDoor = errors.New("the guest could not be stopped while it waited")

// stopAtDoor lets a machine run up to the door, and stops it there. inbox is its listener's, pace one of doorPaces.
func (h *Hypervisor) stopAtDoor(ctx context.Context, m *machine, inbox *inbox.Inbox[any], pace time.Duration, begin time.Time, b *template.Boot) (template.Door, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, templateTime, fmt.Errorf("the guest did not come to the door within %v", templateTime))
	defer cancel()
	type stopped struct{ err error }
	type answer struct{}
	d := template.Door{Holds: doorHolds}
	for {
		select {
		case <-ctx.Done():
			return d, context.Cause(ctx)
		case <-inbox.Ready:
		}
		for message, ok := inbox.Take(); ok; message, ok = inbox.Take() {
			switch heard := message.(type) {
			case rang:
				switch {
				case heard.err != nil:
					return d, heard.err
				case d.Holds == 0:
					return d, errDoor
				case d.Holds == doorHolds:
					r, err := protocol.ParseRequest(heard.line)
					if err != nil {
						return d, err
					}
					if r.Identify == nil {
						return d, errors.New("its first request was not who it is")
					}
					b.Asked, d.Asked = time.Since(begin), time.Duration(min(r.TSC, 1<<60))
					go func() {
						inbox.Put(stopped{h.line.Call(ctx, "stop at the door", connect.CreateTime, func(l *golibvirt.Libvirt) error {
							return l.DomainSuspend(m.domain)
						})})
					}()
				}
				d.Holds--
				time.AfterFunc(pace, func() { inbox.Put(answer{}) })
			case answer:
				if err := m.mailbox.Hold(doorTicks); err != nil {
					return d, err
				}
			case stopped:
				var err error
				d.Mailbox, err = m.mailbox.Letters()
				return d, errors.Join(heard.err, err)
			default:
				if err := hears(b, message, begin); err != nil {
					return d, err
				}
			}
		}
	}
}

// held has a guest that rings held at the door for as many times as are left, and tells whether it was.
func (m *machine) held(left *int) bool {
	if *left == 0 {
		return false
	}
	*left--
	return m.mailbox.Hold(doorTicks) == nil // else QEMU has ended, and libvirt will say more
}
