// Package fleet is the contract between the orchestrator and whatever runs its hosts: real VMs, containers, a
// simulation or a recorded run. It holds all that fleets do: [Fleet], the closed sets of [Action] and [Event], and the
// two kinds of failure that must never be mixed up: the subject's, as [BootFailed] and [Panic], is data, the testbed's
// is an [InfraFailed] or an [InfraError].
//
// It imports nothing of ours but content, so that a new backend depends on this page alone.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Fleet is a set of hosts that share one clock, which starts at zero when the fleet is made. VMs block in Next; a
// simulation advances its clock there.
//
// All methods but Close are called from one goroutine. Close may be called from any, once the others have returned or
// while Next blocks (Next then returns [ErrClosed]).
type Fleet interface {
	// Caps tells what Do accepts and what the hosts can be. It does not change.
	Caps() Caps
	// Do starts an action on a host; its outcome arrives as an Event. It returns an error, wrapping [ErrUnsupported] or
	// [ErrUnknownHost], only for an action that can never work here; a failure to carry one out is an [InfraFailed] event.
	Do(ctx context.Context, a Action) error
	// After asks for a [TimerFired] event with this tag once d has passed on the fleet's clock.
	After(d time.Duration, tag string)
	// Next blocks until the next event. Events come in the order of At. It returns ctx's error when ctx ends.
	Next(ctx context.Context) (Event, error)
	// Close destroys every host and releases all that the fleet holds. It is idempotent and leaves nothing running.
	Close(ctx context.Context) error
}

// Clock names what a fleet's time is made of.
type Clock string

const (
	WallClock    Clock = "wall"    // time passes as it does for us; contention on the machine stretches it
	VirtualClock Clock = "virtual" // time is computed; it does not depend on the machine's speed
)

// Caps is what a fleet can do, and how its time goes.
type Caps struct {
	Backend     string        // "libvirt", "fake", …
	Accelerator string        // "kvm", "tcg" or "none"
	Clock       Clock         // the clock that events are stamped with
	Lookahead   time.Duration // what one host does at t reaches others from t + Lookahead on; 0 on the wall clock
	Tolerance   time.Duration // by so much may times differ in two runs of one seed; only on the virtual clock
	Has         []Capability  // all that there is; what is not among them, the fleet refuses
}

// Refuse tells why a fleet cannot carry an action out that it does not claim to: an error that wraps [ErrUnsupported].
// It is nil when the fleet can.
func (c Caps) Refuse(a Action) error {
	if missing := Missing(c.Has, Needed(a)); len(missing) > 0 {
		return fmt.Errorf("%s: the backend %q cannot %s: %w", a.Target(), c.Backend, missing[0].Words(), ErrUnsupported)
	}
	return nil
}

// A HostSpec describes one host to the backend that makes it. It is inert: making a fleet of specs boots nothing.
type HostSpec struct {
	Name         string `json:"name"`                 // unique within the fleet; lower-case letters, digits and dashes
	Architecture string `json:"architecture"`         // one of architecture.Names
	Image        string `json:"image"`                // name of a vmimages recipe
	MemoryBytes  int64  `json:"memory_bytes"`         // the guest's memory
	Tempo        Tempo  `json:"tempo"`                // how often the guest does what it does
	Oops         Oops   `json:"oops,omitempty"`       // what its kernel does about a fault of its own; empty is OopsPanic
	Cold         bool   `json:"cold,omitempty"`       // its first boot is a real one too, not a copy of a template
	Node         string `json:"node,omitempty"`       // name of the machine that it runs on; empty for the only one
	CrashDump    bool   `json:"crash_dump,omitempty"` // at its first panic, its memory is kept, and its kernel's log from there
}

// Oops is what a host's kernel does about a fault of its own.
type Oops string

const (
	// OopsPanic stops the machine, as Windows does for any fault in kernel mode, and for a CPU that does not come back
	// from kernel mode for 20 s.
	OopsPanic Oops = "panic"
	// OopsKill is the default of Linux: it kills the task, if there is one to kill, and goes on.
	OopsKill Oops = "kill"
)

// Tempo is how often a guest beats, polls for content, works and runs synthetic threats.
type Tempo struct {
	Beat   time.Duration `json:"beat_ns"`   // between two beats
	Poll   time.Duration `json:"poll_ns"`   // between two polls of the updater
	Work   time.Duration `json:"work_ns"`   // between two units of workload, each one program execution
	Threat time.Duration `json:"threat_ns"` // between two synthetic threats
}

var (
	// ErrClosed is returned by every method of a closed fleet.
	ErrClosed = errors.New("fleet is closed")
	// ErrUnsupported is wrapped by Do's error for an action that the backend does not know.
	ErrUnsupported = errors.New("action not supported by this backend")
	// ErrUnknownHost is wrapped by Do's error for a host that the fleet does not have.
	ErrUnknownHost = errors.New("no such host in the fleet")
)

// An InfraError is the testbed's failure: the hypervisor, the disk or the machine let us down. It invalidates the
// sample, is counted and shown, and is never scored.
type InfraError struct {
	Host string // empty when the whole fleet is concerned
	Op   string // what was being done, e.g. "create domain"
	Err  error
}

func (e *InfraError) Error() string {
	if e.Host == "" {
		return fmt.Sprintf("infrastructure: %s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("infrastructure: %s of host %s: %v", e.Op, e.Host, e.Err)
}

func (e *InfraError) Unwrap() error { return e.Err }
