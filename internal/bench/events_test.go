package main

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// heard writes down what a fleet tells.
type heard struct {
	fleet.Fleet
	events []string
}

func (h *heard) Next(ctx context.Context) (fleet.Event, error) {
	e, err := h.Fleet.Next(ctx)
	h.events = append(h.events, fmt.Sprintf("%v %s %+v", e.At, e.Host, e.What))
	return e, err
}

// What is subtracted from a trial's cost is that of the same events, without the orchestrator.
func TestTapeOfATrial(t *testing.T) {
	tape, err := record(t.Context(), 8)
	if err != nil {
		t.Fatal(err)
	}
	whole, alone := &heard{Fleet: tape.fake()}, &heard{Fleet: tape.fake()}
	if err := tape.run(t.Context(), whole); err != nil {
		t.Fatal(err)
	}
	if err := tape.play(t.Context(), alone); err != nil {
		t.Fatal(err)
	}
	if len(whole.events) != tape.events || !slices.Equal(whole.events, alone.events) {
		t.Errorf("%d events were recorded; the trial again has %d, and its tape %d or others",
			tape.events, len(whole.events), len(alone.events))
	}
}

func TestQueue(t *testing.T) {
	if err := queue(1000, 10); err != nil {
		t.Error(err)
	}
}
