package guestlink

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

func order(id uint64) fleet.Tell {
	return fleet.Tell{Host: "h1", Order: fleet.Order{ID: id, Kind: "try", Args: map[string]string{"a": "b"}}}
}

func ids(list []protocol.Order) (ids []uint64) {
	for _, o := range list {
		ids = append(ids, o.ID)
	}
	return ids
}

// However often an order is told, and however often it is recalled, it is given until it is answered, and not after
// that.
func TestOrdersAreGivenUntilAnswered(t *testing.T) {
	var o orders
	tell := func(id uint64) {
		t.Helper()
		if err := o.tell(order(id)); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want ...uint64) {
		t.Helper()
		if got := ids(o.give()); !slices.Equal(got, want) {
			t.Errorf("given %v, want %v", got, want)
		}
	}
	tell(1)
	tell(1)
	expect(1)
	expect()
	tell(1)
	expect()
	tell(2)
	o.recall()
	expect(1, 2)
	o.recall()
	if got, open := o.done(1); !open || got.ID != 1 || got.Kind != "try" {
		t.Errorf("the answer to a recalled order: %+v, %v", got, open)
	}
	for _, made := range []uint64{0, 1, 3} { // up, or answered before
		if got, open := o.done(made); open {
			t.Errorf("an answer to %+v, which is not open", got)
		}
	}
	tell(1)
	expect(2)
}

// A guest has no more orders at a time than a beat has room to answer; the others follow, in order.
func TestOrdersAtATime(t *testing.T) {
	var o orders
	for id := uint64(1); id <= maxOrders; id++ {
		if err := o.tell(order(id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.tell(order(maxOrders + 1)); !errors.Is(err, fleet.ErrUnsupported) {
		t.Errorf("an order too many: %v", err)
	}
	var given []uint64
	for round := 0; len(given) < maxOrders; round++ {
		now := ids(o.give())
		if len(now) != protocol.MaxOrders || len(o.give()) > 0 {
			t.Fatalf("%d orders at a time", len(now))
		}
		if round == 2 {
			o.recall()
			if again := ids(o.give()); !slices.Equal(again, now) {
				t.Errorf("recalled %v and gave %v", now, again)
			}
		}
		for _, id := range now {
			o.done(id)
		}
		given = append(given, now...)
	}
	if !slices.IsSorted(given) {
		t.Errorf("given %v", given)
	}
}

func TestOrdersThatNobodyCanBeTold(t *testing.T) {
	for name, o := range map[string]fleet.Order{
		"no number": {Kind: "try"},
		"no kind":   {ID: 1},
		"too long":  {ID: 1, Kind: "try", Args: map[string]string{"a": strings.Repeat("b", maxOrder)}},
	} {
		if err := (&Service{}).Tell(fleet.Tell{Host: "h1", Order: o}); !errors.Is(err, fleet.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
