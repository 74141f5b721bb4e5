package libvirt

import (
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/console"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// A state is what a host's VM does, as far as this package has to know.
type state int

const (
	off     state = iota
	booting       // started, no hello yet
	up            // said hello
	stopped       // panicked: it stands still until an action
)

// consoleSettle is how long, on the wall clock, the console's cause may take to come after the panic device's event: it was printed
// before that.
const consoleSettle = 2 * time.Second

// livesOn says that somebody forged a panic on the console.
var livesOn = fleet.GuestLog{Text: "the console shows a panic, but the guest lives on: not counted"}

// panicOf is the event of a panic that was told by the source, with the cause that the console gave.
func panicOf(source string, r console.Report) fleet.Panic {
	return fleet.Panic{
		Source: source, Title: r.Title, Type: r.Type, Module: r.Module, Function: r.Function, Offset: r.Offset,
		Excerpt: strings.Join(r.Excerpt, "\n"), Caller: r.Caller,
	}
}
