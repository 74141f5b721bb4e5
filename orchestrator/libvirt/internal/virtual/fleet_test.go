package virtual

import (
	"context"
	"testing"

	"github.com/fleetfall/fleetfall/orchestrator/cosim"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/inbox"
)

// A guest's memory is given back from when a fleet is closed on: nobody is answered any more.
func TestNothingHappensToAClosedFleet(t *testing.T) {
	f := &Fleet{inbox: inbox.New[fleetMessage](), clock: cosim.New[happening](Lookahead)}
	f.ctx, f.cancel = context.WithCancel(t.Context())
	f.After(0, "a")
	f.After(0, "b")
	if e, ok := f.advance(); !ok || e.What != (fleet.TimerFired{Tag: "a"}) {
		t.Errorf("%v, %v", e, ok)
	}
	f.cancel()
	if e, ok := f.advance(); ok {
		t.Errorf("%v of a fleet that is closed", e)
	}
}
