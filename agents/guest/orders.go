package main

import (
	"fmt"
	"sync"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

// removeContent is fleet.RemoveContent.
const removeContent = "remove_content"

// orders carries out what the host asks for, also where there is no agent.
type orders struct {
	tally *tally
	kinds map[string]func(args map[string]string) error // what to do about an order, by its kind

	mu   sync.Mutex
	told map[uint64]*protocol.Done // the orders of this boot, by ID: how they went; nil while that is not known
}

// newOrders knows each kind of order there is.
func newOrders(d *disk, a *agent, t *tally) *orders {
	return &orders{tally: t, told: map[uint64]*protocol.Done{}, kinds: map[string]func(map[string]string) error{
		removeContent: func(map[string]string) error {
			err := d.restore()
			a.load()
			return err
		},
	}}
}

// carryOut does each order that was not told in this boot before, and leaves the answer for the next beat, which is
// then due at once. An order that comes again is answered as it was: the host may not have heard of it.
func (o *orders) carryOut(list []protocol.Order) {
	for _, order := range list {
		o.mu.Lock()
		done, again := o.told[order.ID]
		if !again {
			o.told[order.ID] = nil
		}
		o.mu.Unlock()
		if !again { // without the lock: it may hang, as the agent's load does, and no other duty's orders are to wait for it
			done = o.one(order)
			o.mu.Lock()
			o.told[order.ID] = done
			o.mu.Unlock()
		}
		if done != nil { // else it is under way, and answered once it is done
			o.tally.done(*done)
		}
	}
}

func (o *orders) one(order protocol.Order) *protocol.Done {
	done := &protocol.Done{ID: order.ID}
	do := o.kinds[order.Kind]
	if do == nil {
		done.Error = fmt.Sprintf("this guest knows no order %q", order.Kind)
	} else if err := do(order.Args); err != nil {
		done.Error = err.Error()
	}
	return done
}
