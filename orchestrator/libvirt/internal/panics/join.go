// Package panics makes one panic of what is said of it twice: by the panic device, which knows when, and by the
// console, which says why. Each comes by a way of its own, and either may come first, or alone: a kernel may have no
// driver for the device, and a guest may print what it likes. Whoever owns the host says what has come, keeps the
// time on its own clock, and tells of the panic.
package panics

import (
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/console"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// Settle is how long, on the wall clock, the console's cause may take to come after the device's event: it was
// printed before that.
const Settle = 2 * time.Second

// A Join is what one boot of a host has been said to have panicked of. Its zero value is that of a boot of which
// nothing was said.
type Join struct {
	device bool
	cause  *console.Report
}

// Device says that the device told of a panic. Where there is no cause yet, it should come within Settle.
func (j *Join) Device() { j.device = true }

// Console says why the kernel panicked, by what the console shows. A later word replaces an earlier one.
func (j *Join) Console(r console.Report) { j.cause = &r }

// Unexplained says that the cause has not come, and what else the console showed: the last of that counts, even if it
// was cut short before its panic.
func (j *Join) Unexplained(shown []console.Report) {
	r := console.Report{Title: "panic without a word on the console", Type: console.TypeUnknown}
	if n := len(shown); n > 0 {
		r = shown[n-1]
	}
	j.cause = &r
}

// Refute says that the guest lives on. It returns whether the console had shown a panic, which was then made up.
func (j *Join) Refute() bool {
	shown := j.cause != nil
	j.cause = nil
	return shown
}

// Stands tells whether the device told of a panic: the machine stands still.
func (j *Join) Stands() bool { return j.device }

// Waits tells whether the device told of a panic of which the cause has still to come.
func (j *Join) Waits() bool { return j.device && j.cause == nil }

// Doubtful tells whether only the console shows a panic.
func (j *Join) Doubtful() bool { return !j.device && j.cause != nil }

// Cause is what the console shows; nil when it shows none.
func (j *Join) Cause() *console.Report { return j.cause }

// Both is the panic's cause once the device and the console have told of it; nil before.
func (j *Join) Both() *console.Report {
	if !j.device {
		return nil
	}
	return j.cause
}

// LivesOn says that somebody forged a panic on the console.
var LivesOn = fleet.GuestLog{Text: "the console shows a panic, but the guest lives on: not counted"}

// Event is the event of a panic that was told by the source, "device" or "console", with the cause that the console
// gave.
func Event(source string, r console.Report) fleet.Panic {
	return fleet.Panic{
		Source: source, Title: r.Title, Type: r.Type, Module: r.Module, Function: r.Function, Offset: r.Offset,
		Excerpt: strings.Join(r.Excerpt, "\n"), Caller: r.Caller,
	}
}
