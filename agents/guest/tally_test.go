package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

func TestInheritedThreats(t *testing.T) {
	tally := newTally()
	tally.threat(protocol.Threat{ID: 1, Blocked: true})
	tally.inherit()
	tally.threat(protocol.Threat{ID: 2})
	want := []protocol.Threat{{ID: 1, Blocked: true, Inherited: true}, {ID: 2}}
	if beat, _ := tally.take(); !slices.Equal(beat.Threats, want) {
		t.Errorf("threats %+v, want %+v", beat.Threats, want)
	}
}

func TestTallyOfWork(t *testing.T) {
	tally := newTally()
	tally.work("exec", 2*time.Millisecond, nil)
	tally.work("open", 5*time.Millisecond, errors.New("refused"))
	tally.work("build", 9*time.Millisecond, errHangs)
	tally.work("read", time.Millisecond, nil)
	tally.work("exec", 3*time.Millisecond, nil)
	b, _ := tally.take()
	if b.WorkUnits != 5 || b.WorkFailed != 2 || b.WorkHung != 1 || b.WorkTotal != 20*time.Millisecond || b.WorkMax != 9*time.Millisecond {
		t.Errorf("got %+v", b)
	}
	loads := []protocol.Load{{What: "exec", Units: 2, Total: 5 * time.Millisecond}, {What: "read", Units: 1, Total: time.Millisecond}}
	if !slices.Equal(b.Loads, loads) {
		t.Errorf("loads %+v, want %+v", b.Loads, loads)
	}
	if b, _ = tally.take(); b.WorkUnits != 0 || b.WorkMax != 0 || b.WorkHung != 0 || len(b.Loads) > 0 {
		t.Errorf("taken twice: %+v", b)
	}
}

// The largest beat there can be is a request that the host accepts.
func TestLargestBeatFits(t *testing.T) {
	tally := newTally()
	worst := strings.Repeat("\x01", 1000) // six bytes each in JSON
	const many = 1000
	for range many {
		for _, kind := range loadKinds("") {
			tally.work(kind.what, 1<<40, nil)
			tally.work(kind.what, 1<<40, errHangs)
		}
		tally.pollFailed()
		tally.threat(protocol.Threat{ID: 1 << 63, What: "exec", Latency: protocol.MaxTime})
		tally.refusal(protocol.Refusal{Version: 1 << 63, Reason: worst})
		tally.exit(protocol.Exit{Signal: protocol.MaxSignal, Code: protocol.MaxCode, Restart: protocol.MaxTime})
		tally.done(protocol.Done{ID: 1 << 63, Error: worst})
	}
	b, dropped := tally.take()
	b.Available, b.Killed, b.RunDelay = protocol.MaxBytes, protocol.MaxCount, protocol.MaxTime
	if want := 4*many - maxThreats - maxExits - maxRefusals - maxDone; dropped != want {
		t.Errorf("%d notes dropped, want %d", dropped, want)
	}
	line, err := protocol.AppendLine(nil, protocol.Request{
		ID: 1 << 63, Boot: strings.Repeat("b", 36), Uptime: protocol.MaxTime, TSC: 1 << 63, Beat: &b,
	})
	if err != nil || len(line) > protocol.MaxLine {
		t.Fatalf("a beat of %d bytes, %v; at most %d", len(line), err, protocol.MaxLine)
	}
	if _, err := protocol.ParseRequest(line); err != nil {
		t.Error(err)
	}
}

func TestPromptIsAnsweredByTheBeatThatHoldsIt(t *testing.T) {
	tally := newTally()
	tally.done(protocol.Done{ID: 1})
	tally.done(protocol.Done{ID: 2})
	if len(tally.prompt) != 1 {
		t.Error("no beat is asked for")
	}
	if b, _ := tally.take(); len(b.Done) != 2 || len(tally.prompt) != 0 {
		t.Errorf("beat with %+v, and %d more asked for", b.Done, len(tally.prompt))
	}
}
