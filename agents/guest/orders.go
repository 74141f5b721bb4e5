package main

import (
	"errors"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

const removeContent = "remove_content" // fleet.RemoveContent

var errUnknownOrder = errors.New("unknown order")

// orders carries out what the host asks for, also where there is no agent.
type orders struct {
	disk  *disk
	agent *agent
	tally *tally
}

// carryOut does each order and leaves the answer for the next beat, which is then due at once.
func (o *orders) carryOut(list []string) {
	for _, order := range list {
		done := protocol.Done{Order: order}
		if err := o.one(order); err != nil {
			done.Error = err.Error()
		}
		o.tally.done(done)
	}
}

func (o *orders) one(order string) error {
	switch order {
	case removeContent:
		err := o.disk.restore()
		o.agent.load()
		return err
	}
	return errUnknownOrder
}
