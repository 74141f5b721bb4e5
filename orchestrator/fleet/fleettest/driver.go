package fleettest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// Driver is a backend whose fleets are fakes with these options. It is for tests: nobody's scenario can name it.
func Driver(opts FakeOptions) backend.Driver {
	return backend.Driver{
		Name: "fake", Has: opts.has(), MaxHosts: 1_000_000,
		Open: func(_ context.Context, cfg backend.Config) (backend.Backend, error) {
			if cfg.URI != "" {
				return nil, fmt.Errorf("fakes are in this process, and not at %s", cfg.URI)
			}
			cfg.Step("making fakes")
			return &fakes{opts: opts, clock: cfg.Clock}, nil
		},
	}
}

// fakes is the backend as a run has it open. Its hosts take nothing of the machine.
type fakes struct {
	opts  FakeOptions
	clock fleet.Clock // that was asked for

	mu   sync.Mutex
	made []fleet.Fleet
}

// Prepare implements backend.Backend.
func (b *fakes) Prepare(_ context.Context, kinds []backend.Kind) ([]backend.Takes, error) {
	if b.clock == fleet.WallClock {
		return nil, &backend.ClockError{Clock: b.clock, Err: errors.New("time of fakes is computed")}
	}
	return make([]backend.Takes, len(kinds)), nil
}

// Caps implements backend.Backend.
func (b *fakes) Caps() fleet.Caps { return NewFake(nil, b.opts).Caps() }

// Reserve implements backend.Backend.
func (b *fakes) Reserve(_ context.Context, admit func([]admission.Machine) (admission.Decision, error)) error {
	_, err := admit(nil)
	return err
}

// NewFleet implements backend.Backend.
func (b *fakes) NewFleet(_ context.Context, cfg backend.FleetConfig) (fleet.Fleet, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := NewFake(cfg.Hosts, b.opts)
	b.made = append(b.made, f)
	return f, nil
}

// Facts implements backend.Backend.
func (b *fakes) Facts() []backend.Fact {
	return []backend.Fact{{Name: "accelerator", Value: "none (there are no guests)"}}
}

// LateFacts implements backend.Backend.
func (b *fakes) LateFacts() []backend.Fact {
	return []backend.Fact{{Name: "fakes", Value: fmt.Sprintf("%d fleets", len(b.made))}}
}

// Close implements backend.Backend.
func (b *fakes) Close(ctx context.Context) error {
	var errs []error
	for _, f := range b.made {
		errs = append(errs, f.Close(ctx))
	}
	return errors.Join(errs...)
}
