// Package backend is the contract between an experiment and whatever runs its hosts: how a backend is chosen, opened,
// prepared and closed, what it takes of its machines, and what it has to tell a run's provenance. What one fleet of
// hosts does is the contract of package fleet.
//
// A [Driver] is inert: it says what the backend can do and opens it. A [Backend] is one that is open, for one run.
package backend

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/vmimages"
)

// A Driver is a backend that scenarios can name. What may be nil says so.
type Driver struct {
	Name     string             // as scenarios call it: lower-case letters, digits and dashes
	Has      []fleet.Capability // what it can have, on some machine or other; what a fleet of it has is in fleet.Caps
	MaxHosts int                // of a fleet, on each machine
	Images   bool               // hosts boot images: each that a plan names is built, and is in Config.Images
	DumpTime time.Duration      // that each host with a crash dump adds to the time that its fleet has to close

	// Open makes the backend ready for a run on the machines of its configuration. What is missing on this machine is a
	// *PrerequisiteError. With an error, nothing is left open.
	Open func(context.Context, Config) (Backend, error)

	// Machine describes this machine as it is before anything is opened, for plans that name no others; nil when hosts
	// take nothing of it. Assume is what a host is taken to need there as long as nothing is measured.
	Machine func() (admission.Machine, error)
	Assume  func(Kind) Takes

	// Leftovers says, a line each, what killed runs have left, also in the cache; Collect removes it, and says the same of
	// what it removed. Runs that still run are left alone. Both are nil when nothing can be left.
	Leftovers func(cache string) ([]string, error)
	Collect   func(ctx context.Context, cache string, log zerolog.Logger) ([]string, error)
}

// Config says what a backend is opened for.
type Config struct {
	RunID  string                    // of the run, in the names of all that is started: 6 to 16 of [a-z0-9]
	RunDir string                    // the run's directory of results, for whoever finds what the run left
	URI    string                    // where the hosts are to run, as the command line has it; "" leaves it to the backend
	Nodes  []Node                    // machines that the scenario names; none: this one
	Clock  fleet.Clock               // that is asked for; "" leaves it to the backend
	Images map[string]vmimages.Image // by the name that fleet.HostSpec.Image has
	Cache  string                    // directory for what later runs can use; "" keeps nothing
	Log    zerolog.Logger            // for people who look closely; the zero value drops everything
	Step   func(string)              // told of each step, for people who wait; never nil
}

// A Node is a machine that a scenario names.
type Node struct {
	Name string
	URI  string
	At   string // where in the scenario, "file.hcl:12,1"
}

// A Backend is open for one run. Its methods are called from one goroutine, but for NewFleet where fleets can be side by
// side ([fleet.CanRunBeside]).
type Backend interface {
	// Prepare readies the machines for hosts of these kinds, and returns what one of each takes. It decides the clock: one
	// that was asked for and cannot be kept is a *ClockError. It is called once, before all that follows.
	Prepare(ctx context.Context, kinds []Kind) ([]Takes, error)
	// Caps tells what its fleets can do.
	Caps() fleet.Caps
	// Reserve tells admit of the machines as they are now, and promises this run the memory that it decides on. No other
	// run can be promised any meanwhile. An error of admit's is returned as it is, and nothing is promised then. It is not
	// called when hosts take nothing.
	Reserve(ctx context.Context, admit func([]admission.Machine) (admission.Decision, error)) error
	// NewFleet makes a fleet of hosts that are off.
	NewFleet(ctx context.Context, cfg FleetConfig) (fleet.Fleet, error)
	// Facts are what the run's provenance tells of the backend, in the order in which people read them: as known before
	// the first trial.
	Facts() []Fact
	// LateFacts are what became known only as fleets ran.
	LateFacts() []Fact
	// Close closes every fleet that is still open, gives back what was promised, and ends all that Open and Prepare began.
	// It is idempotent.
	Close(ctx context.Context) error
}

// FleetConfig describes a fleet.
type FleetConfig struct {
	Name       string // what the fleet is for, for whoever lists hosts
	Seed       uint64 // of what hosts draw for each boot, see package draw; on the wall clock not of all of it
	Hosts      []fleet.HostSpec
	ConsoleDir string        // consoles and dumps are kept in <ConsoleDir>/<host>; "" keeps none
	Liveness   time.Duration // after which a silent host counts as hung: one that could not be heard for so long is lost
}

// A Kind is what decides how a host boots, and what it takes.
type Kind struct {
	Image        string
	Architecture string
	Oops         fleet.Oops
	MemoryBytes  int64
}

// KindOf is a host's kind.
func KindOf(s fleet.HostSpec) Kind { return Kind{s.Image, s.Architecture, s.Oops, s.MemoryBytes} }

// Spec describes a host of the kind, as far as all of them are alike.
func (k Kind) Spec() fleet.HostSpec {
	return fleet.HostSpec{Image: k.Image, Architecture: k.Architecture, Oops: k.Oops, MemoryBytes: k.MemoryBytes}
}

// String is what people call hosts of the kind, among those of a run.
func (k Kind) String() string {
	if k.Oops == fleet.OopsKill {
		return k.Architecture + " (oops = kill)"
	}
	return k.Architecture
}

// Takes is what one host takes of its machine, in bytes. A host of which it is all zero takes nothing, and is not
// counted.
type Takes struct {
	Memory   int64 // its guest's
	Overhead int64 // besides that
	Disk     int64 // that its disk can grow to, with what lies beside it
	Measured bool  // the overhead was measured on the run's machines; else it is an assumption
}

// A Fact is one line of a run's provenance.
type Fact struct {
	Name  string
	Value string
}

// A ClockError says why the clock that was asked for cannot be kept here.
type ClockError struct {
	Clock fleet.Clock
	Err   error
}

func (e *ClockError) Error() string {
	other := fleet.WallClock
	if e.Clock == fleet.WallClock {
		other = fleet.VirtualClock
	}
	return fmt.Sprintf("clock %q: %v; ask for clock %q", e.Clock, e.Err, other)
}

func (e *ClockError) Unwrap() error { return e.Err }

// A PrerequisiteError says what the machine lacks to run hosts, and how to get it.
type PrerequisiteError struct {
	What string // what is missing or wrong
	How  string // what to do about it
	Err  error  // may be nil
}

func (e *PrerequisiteError) Error() string {
	text := e.What
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text + "; " + e.How
}

func (e *PrerequisiteError) Unwrap() error { return e.Err }
