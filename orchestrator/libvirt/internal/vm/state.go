package vm

import (
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/console"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// A State is what a host's VM does, as far as this package has to know.
type State int

const (
	Off     State = iota
	Booting       // started, no hello yet
	Up            // said hello
	Stopped       // panicked: it stands still until an action
)

// ConsoleSettle is how long, on the wall clock, the console's cause may take to come after the panic device's event: it was printed
// before that.
const ConsoleSettle = 2 * time.Second

// LivesOn says that somebody forged a panic on the console.
var LivesOn = fleet.GuestLog{Text: "the console shows a panic, but the guest lives on: not counted"}

// PanicOf is the event of a panic that was told by the source, with the cause that the console gave.
func PanicOf(source string, r console.Report) fleet.Panic {
	return fleet.Panic{
		Source: source, Title: r.Title, Type: r.Type, Module: r.Module, Function: r.Function, Offset: r.Offset,
		Excerpt: strings.Join(r.Excerpt, "\n"), Caller: r.Caller,
	}
}
