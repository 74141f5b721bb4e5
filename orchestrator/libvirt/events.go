package libvirt

import (
	"context"
	"errors"
	"sync"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// A domainEvent is what libvirt tells of a domain.
type domainEvent struct {
	uuid   golibvirt.UUID
	reboot bool                      // the guest was reset; else, unless the next is so, kind and detail say what happened
	clock  bool                      // the guest has set its hardware clock
	kind   golibvirt.DomainEventType // of a lifecycle event
	detail int32                     // of a lifecycle event; its meaning depends on kind
}

// diskFailed tells whether QEMU could not write to a VM's disk. It then stops the VM, which looks as if its guest hung.
func (e domainEvent) diskFailed() bool {
	return e.kind == golibvirt.DomainEventSuspended && golibvirt.DomainEventSuspendedDetailType(e.detail) == golibvirt.DomainEventSuspendedIoerror
}

// toldToEnd tells of a shutdown event whether QEMU was told to end, by a signal: it then ends as if its guest had.
func (e domainEvent) toldToEnd() bool {
	return golibvirt.DomainEventShutdownDetailType(e.detail) == golibvirt.DomainEventShutdownHost
}

var errDiskFailed = errors.New("QEMU could not write to the VM's disk, and stopped the VM: no space left on its machine, or a broken disk")

// subscribe merges the events that domainEvent tells of into c.events.
func (c *connection) subscribe(ctx context.Context) error {
	events, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	var lifecycle <-chan golibvirt.DomainEventLifecycleMsg
	var reboots, clocks <-chan any
	err := c.call(ctx, "subscribe to events", callTime, func(l *golibvirt.Libvirt) (err error) {
		if lifecycle, err = l.LifecycleEvents(events); err == nil {
			reboots, err = l.SubscribeEvents(events, golibvirt.DomainEventIDReboot, nil)
		}
		if err == nil {
			clocks, err = l.SubscribeEvents(events, golibvirt.DomainEventIDRtcChange, nil)
		}
		return err
	})
	if err != nil {
		close(c.events)
		return err
	}
	// All are read until they are closed: the library blocks forever in sending an event that nobody takes.
	var readers sync.WaitGroup
	readers.Go(func() {
		for m := range lifecycle {
			c.events <- domainEvent{uuid: m.Dom.UUID, kind: golibvirt.DomainEventType(m.Event), detail: m.Detail}
		}
	})
	readers.Go(func() {
		for m := range reboots {
			if m, ok := m.(*golibvirt.DomainEventCallbackRebootMsg); ok {
				c.events <- domainEvent{uuid: m.Msg.Dom.UUID, reboot: true}
			}
		}
	})
	readers.Go(func() {
		for m := range clocks {
			if m, ok := m.(*golibvirt.DomainEventCallbackRtcChangeMsg); ok {
				c.events <- domainEvent{uuid: m.Msg.Dom.UUID, clock: true}
			}
		}
	})
	go func() {
		readers.Wait()
		close(c.events)
	}()
	return nil
}
