package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/internal/capability"
)

// needPermissionEvents needs the right to decide about executions, and to mount the file system that they happen on.
func needPermissionEvents(t testing.TB) {
	t.Helper()
	const classContent, closeOnExec = 4, 1 // FAN_CLASS_CONTENT, FAN_CLOEXEC
	fd, _, errno := syscall.Syscall(syscall.SYS_FANOTIFY_INIT, classContent|closeOnExec, syscall.O_RDONLY, 0)
	if errno == 0 {
		syscall.Close(int(fd))
	}
	capability.Need(t, errno == 0, "fanotify with permission events", "run the tests as root")
}

// mountPoint returns the folder of a file system of the test's own: the agent decides about nothing else.
func mountPoint(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "")
	capability.Need(t, err == nil, "the right to mount", "run the tests as root")
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	})
	return dir
}

func faulty(t testing.TB, version uint64) []byte {
	t.Helper()
	fault, err := content.FindFault("field_count")
	if err != nil {
		t.Fatal(err)
	}
	_, key := content.TestVendorKey()
	data, err := fault.Update(version, 1, nil, key)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The real daemon, with the guest's own code around it, through the life of an update: protected; content that is
// refused; content with 21 fields, which kills it at the next execution and lets that one go; and good content again.
func TestUserAgent(t *testing.T) {
	needPermissionEvents(t)
	program := buildUserAgent(t)
	dir := mountPoint(t)
	buildPrograms(t, dir)
	d := newDisk(t)
	tally, log := newTally(), newLogger(t.Output())
	a := newAgent(tally, log)
	threats := &threats{dir: dir, files: dir, patience: time.Minute, agent: a, tally: tally, log: log}

	var exited chan protocol.Exit
	start := func() {
		t.Helper()
		a.starting()
		exited = make(chan protocol.Exit, 1)
		go func() {
			exit, err := runAgent(a, []string{program, d.current(), dir}, log)
			if err != nil {
				t.Errorf("running the agent: %v", err)
			}
			a.ended(time.Second)
			exited <- exit
		}()
		a.awaitStart(t.Context(), time.Minute)
		if state, _ := a.status(); state != protocol.AgentRunning {
			t.Fatalf("the agent is %s", state)
		}
	}
	version := func(want uint64) {
		t.Helper()
		if _, v := a.status(); v != want {
			t.Errorf("the agent has content %d, want %d", v, want)
		}
	}
	protects := func(want bool) {
		t.Helper()
		threats.turn = 0
		for range 3 { // exec, mark, short
			threats.one(t.Context())
		}
		beat, _ := tally.take()
		for i, x := range beat.Threats {
			if x.Blocked != (want && x.What == "exec") || x.Reported != want || (x.Latency > 0) != want {
				t.Errorf("threat %d: %+v, want protected: %v", i, x, want)
			}
		}
		if len(beat.Threats) != 3 {
			t.Errorf("threats %+v, want three", beat.Threats)
		}
		if err := execute(dir + "/work"); err != nil {
			t.Errorf("harmless work: %v", err)
		}
	}

	start()
	version(1)
	protects(true)

	damaged := signed(t, 2)
	damaged[20] ^= 1
	replaceAndLoad(t, d, a, damaged)
	protects(true) // also waits until the agent has dealt with the line before
	version(1)

	replaceAndLoad(t, d, a, signed(t, 3))
	protects(true)
	version(3)

	replaceAndLoad(t, d, a, faulty(t, 4))
	var exit protocol.Exit
	for running := true; running; { // an execution or two may come before the agent has loaded the update
		if err := execute(dir + "/work"); err != nil {
			t.Errorf("an execution around the agent's end: %v, want it let go", err)
		}
		select {
		case exit = <-exited:
			running = false
		default:
		}
	}
	if exit.Signal != int(syscall.SIGSEGV) {
		t.Fatalf("the agent ended with %+v, want a segmentation fault", exit)
	}
	version(0)
	protects(false)

	if err := d.restore(); err != nil {
		t.Fatal(err)
	}
	start()
	protects(true)
}

// Content that blocks the updater's own program keeps every later content away, until a technician removes it.
func TestUserAgentThatBlocksItsUpdater(t *testing.T) {
	needPermissionEvents(t)
	program := buildUserAgent(t)
	dir := mountPoint(t)
	buildPrograms(t, dir)
	file := content.Baseline(2)
	for i := range file.Instances { // the rule for the threat to be blocked is for the updater now
		for j, c := range file.Instances[i].Criteria {
			if c.Value == content.ThreatExecPrefix {
				file.Instances[i].Criteria[j].Value = "updater"
			}
		}
	}
	body, err := content.Encode(file)
	if err != nil {
		t.Fatal(err)
	}
	_, key := content.TestVendorKey()
	tally, log := newTally(), newLogger(t.Output())
	u := &updater{program: dir + "/updater", patience: time.Minute, disk: newDisk(t), agent: newAgent(tally, log), tally: tally, log: log}
	offer := content.Sign(body, key)
	u.session = newSession(t, func(protocol.Request) (protocol.Reply, error) { return protocol.Reply{Content: sent(offer)}, nil })
	u.agent.starting()
	go func() { // until this process ends
		_, _ = runAgent(u.agent, []string{program, u.disk.current(), dir}, log)
	}()
	u.agent.awaitStart(t.Context(), time.Minute)
	loaded := func(version uint64) {
		t.Helper()
		for v := uint64(0); v != version; _, v = u.agent.status() {
			if err := execute(dir + "/work"); err != nil { // it has the agent's answer, which comes after it has dealt with what we said
				t.Fatal(err)
			}
		}
	}
	polled := func(version uint64, failed int) {
		t.Helper()
		u.poll(t.Context())
		v, err := u.disk.version()
		if b, _ := tally.take(); v != version || err != nil || b.PollsFailed != failed {
			t.Errorf("content %d, %v on the disk and %d polls failed; want %d, %d", v, err, b.PollsFailed, version, failed)
		}
	}
	polled(2, 0)
	loaded(2)
	offer = signed(t, 3)
	polled(2, 1)
	if done := newOrders(u.disk, u.agent, tally).one(protocol.Order{ID: 1, Kind: removeContent}); done.Error != "" {
		t.Error(done.Error)
	}
	loaded(1)
	polled(3, 0)
}

func replaceAndLoad(t testing.TB, d *disk, a *agent, data []byte) {
	t.Helper()
	if err := d.replace(data); err != nil {
		t.Fatal(err)
	}
	a.load()
}

func TestUserAgentSaysWhyItCannotStart(t *testing.T) {
	program := buildUserAgent(t)
	log := newLogger(t.Output())
	missing := filepath.Join(t.TempDir(), "missing")
	exit, err := runAgent(newAgent(newTally(), log), []string{program, missing, missing}, log)
	if err != nil || exit.Code != 1 {
		t.Errorf("without a mount to watch it ends with %+v, %v; want code 1", exit, err)
	}
	if _, err := runAgent(newAgent(newTally(), log), []string{missing}, log); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a program: %v", err)
	}
}
