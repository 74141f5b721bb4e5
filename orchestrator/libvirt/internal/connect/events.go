package connect

import (
	"context"
	"errors"
	"sync"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// A Event is what libvirt tells of a domain.
type Event struct {
	UUID   golibvirt.UUID
	Reboot bool                      // the guest was reset; else, unless the next is so, kind and detail say what happened
	Clock  bool                      // the guest has set its hardware clock
	Kind   golibvirt.DomainEventType // of a lifecycle event
	Detail int32                     // of a lifecycle event; its meaning depends on kind
}

// DiskFailed tells whether QEMU could not write to a VM's disk. It then stops the VM, which looks as if its guest hung.
func (e Event) DiskFailed() bool {
	return e.Kind == golibvirt.DomainEventSuspended && golibvirt.DomainEventSuspendedDetailType(e.Detail) == golibvirt.DomainEventSuspendedIoerror
}

// ToldToEnd tells of a shutdown event whether QEMU was told to end, by a signal: it then ends as if its guest had.
func (e Event) ToldToEnd() bool {
	return golibvirt.DomainEventShutdownDetailType(e.Detail) == golibvirt.DomainEventShutdownHost
}

var ErrDiskFailed = errors.New("QEMU could not write to the VM's disk, and stopped the VM: no space left on its machine, or a broken disk")

// subscribe merges the events that Event tells of into c.events.
func (c *Connection) subscribe(ctx context.Context) error {
	events, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	var lifecycle <-chan golibvirt.DomainEventLifecycleMsg
	var reboots, clocks <-chan any
	err := c.Call(ctx, "subscribe to events", CallTime, func(l *golibvirt.Libvirt) (err error) {
		if lifecycle, err = l.LifecycleEvents(events); err == nil {
			reboots, err = l.SubscribeEvents(events, golibvirt.DomainEventIDReboot, nil)
		}
		if err == nil {
			clocks, err = l.SubscribeEvents(events, golibvirt.DomainEventIDRtcChange, nil)
		}
		return err
	})
	if err != nil {
		close(c.Events)
		return err
	}
	// All are read until they are closed: the library blocks forever in sending an event that nobody takes.
	var readers sync.WaitGroup
	readers.Go(func() {
		for m := range lifecycle {
			c.Events <- Event{UUID: m.Dom.UUID, Kind: golibvirt.DomainEventType(m.Event), Detail: m.Detail}
		}
	})
	readers.Go(func() {
		for m := range reboots {
			if m, ok := m.(*golibvirt.DomainEventCallbackRebootMsg); ok {
				c.Events <- Event{UUID: m.Msg.Dom.UUID, Reboot: true}
			}
		}
	})
	readers.Go(func() {
		for m := range clocks {
			if m, ok := m.(*golibvirt.DomainEventCallbackRtcChangeMsg); ok {
				c.Events <- Event{UUID: m.Msg.Dom.UUID, Clock: true}
			}
		}
	})
	go func() {
		readers.Wait()
		close(c.Events)
	}()
	return nil
}
