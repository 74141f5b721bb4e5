package main

import (
	"errors"
	"reflect"
	"testing"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

// Whoever tells an order again has not heard of its answer: it is not done again, and answered as before.
func TestOrdersAreDoneOnce(t *testing.T) {
	tally := newTally()
	o := newOrders(newDisk(t), newAgent(tally, newLogger(t.Output())), tally)
	var did []map[string]string
	o.kinds["try"] = func(args map[string]string) error {
		did = append(did, args)
		return errors.New("in vain")
	}
	try := protocol.Order{ID: 7, Kind: "try", Args: map[string]string{"what": "this"}}
	o.carryOut([]protocol.Order{try, try})
	o.carryOut([]protocol.Order{try, {ID: 8, Kind: "try"}})
	if want := []map[string]string{{"what": "this"}, nil}; !reflect.DeepEqual(did, want) {
		t.Errorf("did %v, want %v", did, want)
	}
	failed := protocol.Done{ID: 7, Error: "in vain"}
	want := []protocol.Done{failed, failed, failed, {ID: 8, Error: "in vain"}}
	if b, _ := tally.take(); !reflect.DeepEqual(b.Done, want) {
		t.Errorf("answered %+v, want %+v", b.Done, want)
	}
}

// An order that hangs keeps no other from being done; told again, it is not answered before it has ended.
func TestOrderThatHangs(t *testing.T) {
	tally := newTally()
	o := newOrders(newDisk(t), newAgent(tally, newLogger(t.Output())), tally)
	begun, end := make(chan bool, 1), make(chan bool)
	o.kinds["hang"] = func(map[string]string) error {
		select {
		case begun <- true:
		default:
			return errors.New("done again")
		}
		<-end
		return nil
	}
	o.kinds["else"] = func(map[string]string) error { return nil }
	hang, ended := protocol.Order{ID: 1, Kind: "hang"}, make(chan bool)
	go func() {
		o.carryOut([]protocol.Order{hang})
		close(ended)
	}()
	<-begun
	begun <- true // and no more
	o.carryOut([]protocol.Order{hang, {ID: 2, Kind: "else"}})
	if b, _ := tally.take(); !reflect.DeepEqual(b.Done, []protocol.Done{{ID: 2}}) {
		t.Errorf("answered %+v while the first hangs", b.Done)
	}
	close(end)
	<-ended
	if b, _ := tally.take(); !reflect.DeepEqual(b.Done, []protocol.Done{{ID: 1}}) {
		t.Errorf("answered %+v once the first has ended", b.Done)
	}
}
