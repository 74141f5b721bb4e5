package guestlink

import (
	"fmt"
	"slices"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

const (
	maxOrders = 64      // that one host has not answered
	maxOrder  = 4 << 10 // bytes of what an order says
)

// orders are what a guest is told to do, from the telling to the answer. They outlive its boots.
type orders struct {
	waiting  []fleet.Order   // to go with a reply
	given    []fleet.Order   // sent, and not yet answered
	answered map[uint64]bool // by ID
}

// CheckTell refuses what no guest could be told: its error wraps fleet.ErrUnsupported.
func CheckTell(a fleet.Tell) error {
	size := len(a.Order.Kind)
	for name, value := range a.Args {
		size += len(name) + len(value)
	}
	switch {
	case a.ID == 0 || a.Order.Kind == "":
		return fmt.Errorf("tell %s to %q as order %d: want a kind, and a number from 1: %w",
			a.Host, a.Order.Kind, a.ID, fleet.ErrUnsupported)
	case size > maxOrder:
		return fmt.Errorf("tell %s order %d: it has %d bytes, at most %d: %w",
			a.Host, a.ID, size, maxOrder, fleet.ErrUnsupported)
	}
	return nil
}

// tell has an order wait, unless it was told before.
func (o *orders) tell(a fleet.Tell) error {
	if err := CheckTell(a); err != nil {
		return err
	}
	same := func(other fleet.Order) bool { return other.ID == a.ID }
	switch {
	case o.answered[a.ID] || slices.ContainsFunc(o.waiting, same) || slices.ContainsFunc(o.given, same):
		return nil
	case len(o.waiting)+len(o.given) >= maxOrders:
		return fmt.Errorf("tell %s order %d: %d are not answered yet: %w", a.Host, a.ID, maxOrders, fleet.ErrUnsupported)
	}
	o.waiting = append(o.waiting, a.Order)
	return nil
}

// give is what goes with a reply: as many of those that wait as the guest has room for answers.
func (o *orders) give() (list []protocol.Order) {
	n := min(len(o.waiting), protocol.MaxOrders-len(o.given))
	for _, order := range o.waiting[:n] {
		list = append(list, protocol.Order{ID: order.ID, Kind: order.Kind, Args: order.Args})
	}
	o.given, o.waiting = append(o.given, o.waiting[:n]...), o.waiting[n:]
	return list
}

// recall makes orders wait again that were given and not answered: to an earlier boot, or in an answer that may be
// lost. A boot that gets one twice does it once, and only its first answer is told.
func (o *orders) recall() { o.waiting, o.given = append(o.given, o.waiting...), nil }

// done takes the answer to an order, which may have been recalled meanwhile; false when no such order is open.
func (o *orders) done(id uint64) (order fleet.Order, open bool) {
	for _, list := range []*[]fleet.Order{&o.given, &o.waiting} {
		i := slices.IndexFunc(*list, func(other fleet.Order) bool { return other.ID == id })
		if i < 0 {
			continue
		}
		order = (*list)[i]
		*list = slices.Delete(*list, i, i+1)
		if o.answered == nil {
			o.answered = map[uint64]bool{}
		}
		o.answered[id] = true
		return order, true
	}
	return order, false
}
