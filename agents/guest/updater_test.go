package main

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

func TestPoll(t *testing.T) {
	var offer []byte
	var have []uint64
	log, tally := newLogger(t.Output()), newTally()
	u := &updater{disk: newDisk(t), agent: newAgent(tally, log), tally: tally, log: log}
	u.session = newSession(t, func(r protocol.Request) (protocol.Reply, error) {
		have = append(have, r.Fetch.Have)
		return protocol.Reply{Content: offer}, nil
	})
	for _, c := range []struct {
		name    string
		offer   []byte
		version uint64 // on the disk afterwards
		refused bool
	}{
		{"nothing new", nil, 1, false},
		{"new content", signed(t, 2), 2, false},
		{"what is there already", signed(t, 2), 2, false},
		{"older content", signed(t, 1), 1, false},
		{"damaged content, which is for the agent to refuse", append(signed(t, 3), 'x'), 3, false},
		{"no channel file", []byte("<html>captive portal</html>"), 3, true},
	} {
		offer = c.offer
		u.poll(t.Context())
		if v, err := u.disk.version(); v != c.version || err != nil {
			t.Errorf("%s: version %d, %v on the disk, want %d", c.name, v, err, c.version)
		}
		if b, _ := tally.take(); (len(b.Refusals) > 0) != c.refused {
			t.Errorf("%s: refusals %+v", c.name, b.Refusals)
		}
	}
	for i, want := range []uint64{1, 1, 2, 2, 1, 3} {
		if have[i] != want {
			t.Errorf("poll %d says that it has %d, want %d", i, have[i], want)
		}
	}
}

func TestPhase(t *testing.T) {
	const every, hosts, parts = 30 * time.Second, 4000, 10
	var counts [parts]int
	for i := range uint64(hosts) {
		entropy := binary.LittleEndian.AppendUint64(nil, i)
		p := phase(every, entropy)
		if p < 0 || p >= every || p != phase(every, entropy) {
			t.Fatalf("phase %s of %s", p, every)
		}
		counts[p*parts/every]++
	}
	for i, n := range counts { // binomial: mean 400, standard deviation 19
		if n < 300 || n > 500 {
			t.Errorf("%d of %d hosts poll in part %d of %d of the interval", n, hosts, i, parts)
		}
	}
}

func TestPollsOnceAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, tally := newLogger(t.Output()), newTally()
		u := &updater{disk: newDisk(t), agent: newAgent(tally, log), tally: tally, log: log}
		start := time.Now()
		var polls []time.Duration
		ended := make(chan struct{})
		u.session = newSession(t, func(r protocol.Request) (protocol.Reply, error) {
			if polls = append(polls, time.Since(start)); len(polls) == 3 {
				close(ended)
			}
			return protocol.Reply{}, nil
		})
		const every = time.Minute
		go u.run(t.Context(), every, []byte("entropy"))
		<-ended
		first := phase(every, []byte("entropy"))
		if polls[0] != first || polls[1] != first+every || polls[2] != first+2*every {
			t.Errorf("polls at %v, want each %s from %s on", polls, every, first)
		}
		u.run(t.Context(), 0, nil) // returns: no polls wanted
	})
}
