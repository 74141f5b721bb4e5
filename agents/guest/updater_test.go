package main

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/protocol"
)

func ofUnknownFormat(t *testing.T, version uint64) []byte {
	t.Helper()
	fault, err := content.FindFault("unknown_version")
	if err != nil {
		t.Fatal(err)
	}
	_, key := content.TestVendorKey()
	file, err := fault.Update(version, 1, nil, key)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// sent is a channel file as a reply has it; nil for none.
func sent(file []byte) *protocol.Content {
	if file == nil {
		return nil
	}
	version, _ := content.Version(file) // 0 for what is none
	return &protocol.Content{
		Version: version, Path: content.ChannelPath, Digest: content.Digest(file), Size: int64(len(file)), Sum: protocol.Sum(file), Data: file,
	}
}

func TestPoll(t *testing.T) {
	var offer []byte
	var have []uint64
	log, tally := newLogger(t.Output()), newTally()
	dir := t.TempDir()
	buildPrograms(t, dir)
	u := &updater{
		program: dir + "/updater", patience: time.Minute, disk: newDisk(t), agent: newAgent(tally, log), tally: tally, log: log,
	}
	u.session = newSession(t, func(r protocol.Request) (protocol.Reply, error) {
		have = append(have, r.Fetch.Have)
		return protocol.Reply{Content: sent(offer)}, nil
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
		{"content of a format to come, which is for the agent to refuse", ofUnknownFormat(t, 4), 4, false},
		{"the same once more, which is on the disk", ofUnknownFormat(t, 4), 4, false},
		{"no channel file", []byte("<html>captive portal</html>"), 4, true},
	} {
		offer = c.offer
		u.poll(t.Context())
		if v, err := u.disk.version(); v != c.version || err != nil {
			t.Errorf("%s: version %d, %v on the disk, want %d", c.name, v, err, c.version)
		}
		if b, _ := tally.take(); (len(b.Refusals) > 0) != c.refused || b.PollsFailed > 0 {
			t.Errorf("%s: refusals %+v, %d polls failed", c.name, b.Refusals, b.PollsFailed)
		}
	}
	if err := os.Remove(u.disk.current()); err != nil {
		t.Fatal(err)
	}
	offer = signed(t, 7)
	u.poll(t.Context())
	if v, err := u.disk.version(); v != 7 || err != nil {
		t.Errorf("version %d, %v on the disk that had none, want 7", v, err)
	}
	for i, want := range []uint64{1, 1, 2, 2, 1, 3, 4, 4, 0} {
		if have[i] != want {
			t.Errorf("poll %d says that it has %d, want %d", i, have[i], want)
		}
	}
}

// A poll whose program cannot run asks for nothing, and says so; the next one that can does.
func TestPollWithoutItsProgram(t *testing.T) {
	dir := t.TempDir()
	buildPrograms(t, dir)
	fifo := dir + "/fifo"
	command(t, "mkfifo", fifo)
	for name, text := range map[string]string{
		"refused": "#!/missing\n", "fails": "#!/bin/sh\nexit 2\n", "killed": "#!/bin/sh\nkill -9 $$\n", "silent": "#!/bin/sh\n",
		"brief": "#!/bin/sh\nprintf 1234\n", "hangs": "#!/bin/sh\nread line < " + fifo + "\nprintf 12345678\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	asked := 0
	log, tally := newLogger(t.Output()), newTally()
	u := &updater{patience: time.Minute, disk: newDisk(t), agent: newAgent(tally, log), tally: tally, log: log}
	u.session = newSession(t, func(protocol.Request) (protocol.Reply, error) {
		asked++
		return protocol.Reply{}, nil
	})
	for _, name := range []string{"missing", "refused", "fails", "killed", "silent", "brief"} {
		u.program = filepath.Join(dir, name)
		u.poll(t.Context())
		if b, _ := tally.take(); b.PollsFailed != 1 || asked > 0 {
			t.Errorf("%s: %d polls failed and %d requests, want 1 and none", name, b.PollsFailed, asked)
		}
	}

	u.program, u.patience = dir+"/hangs", 50*time.Millisecond
	polled := make(chan struct{})
	go func() {
		defer close(polled)
		u.poll(t.Context())
	}()
	failed := 0
	for failed == 0 {
		b, _ := tally.take()
		failed += b.PollsFailed
		runtime.Gosched()
	}
	u.patience = time.Minute // for what is to run to its end
	if err := os.WriteFile(fifo, []byte("go on\n"), 0); err != nil {
		t.Fatal(err)
	}
	<-polled
	if asked > 0 {
		t.Error("a poll that had hung asked for content")
	}
	u.program = dir + "/updater"
	if u.poll(t.Context()); asked != 1 {
		t.Errorf("%d requests of a poll that works, want 1", asked)
	}
}

// stuck takes what is written to it, and lets go once it is closed.
type stuck chan struct{}

func (s stuck) Write(p []byte) (int, error) {
	<-s
	return len(p), nil
}

// A load that hangs, as in a module that died of it, is told of for as long as it does.
func TestPollWhoseLoadHangs(t *testing.T) {
	dir := t.TempDir()
	buildPrograms(t, dir)
	synctest.Test(t, func(t *testing.T) {
		log, tally := newLogger(t.Output()), newTally()
		u := &updater{
			program: dir + "/updater", patience: 10 * time.Second, disk: newDisk(t), agent: newAgent(tally, log), tally: tally, log: log,
		}
		asked := 0
		u.session = newSession(t, func(protocol.Request) (protocol.Reply, error) {
			asked++
			return protocol.Reply{Content: sent(signed(t, 2))}, nil
		})
		module := make(stuck)
		u.agent.setConn(module)
		polled := make(chan struct{})
		go func() {
			defer close(polled)
			u.poll(t.Context())
		}()
		wait(t.Context(), 35*time.Second)
		if b, _ := tally.take(); b.PollsFailed != 3 {
			t.Errorf("%d polls failed while the load hung for 35 s, want 3", b.PollsFailed)
		}
		close(module)
		<-polled
		if u.poll(t.Context()); asked != 2 {
			t.Errorf("%d requests of two polls", asked)
		}
		if b, _ := tally.take(); b.PollsFailed != 0 {
			t.Errorf("%d polls failed once the load had ended", b.PollsFailed)
		}
	})
}

// TestPhase: what is no phase of the interval is none.
func TestPhase(t *testing.T) {
	for phase, want := range map[time.Duration]time.Duration{0: 0, 1: 1, 9: 9, 10: 0, 11: 0, -1: 0} {
		if got := within(phase, 10); got != want {
			t.Errorf("phase %d within 10: %d, want %d", phase, got, want)
		}
	}
}

func TestPollsOnceAnInterval(t *testing.T) {
	dir := t.TempDir()
	buildPrograms(t, dir)
	synctest.Test(t, func(t *testing.T) {
		log, tally := newLogger(t.Output()), newTally()
		u := &updater{
			program: dir + "/updater", patience: time.Minute, disk: newDisk(t), agent: newAgent(tally, log), tally: tally, log: log,
		}
		start := time.Now()
		var polls []time.Duration
		ended := make(chan struct{})
		u.session = newSession(t, func(r protocol.Request) (protocol.Reply, error) {
			if polls = append(polls, time.Since(start)); len(polls) == 3 {
				close(ended)
			}
			return protocol.Reply{}, nil
		})
		const every, first = time.Minute, 13 * time.Second
		go u.run(t.Context(), every, first)
		<-ended
		if polls[0] != first || polls[1] != first+every || polls[2] != first+2*every {
			t.Errorf("polls at %v, want each %s from %s on", polls, every, first)
		}
		u.run(t.Context(), 0, 0) // returns: no polls wanted
	})
}
