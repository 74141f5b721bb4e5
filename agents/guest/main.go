// Guest is the first process of a fleetfall VM: it boots the image, starts the agent, runs the workload and the
// synthetic threats, polls for updates, and tells the host how the machine is, over the one channel there is.
//
// It runs as PID 1 of a minimal image, so it never returns; what fails is logged and tried again, and one duty's
// failure stops no other. Apart from it, the machine's only processes are its own children, each of which is waited for
// by who started it, and theirs: the workload's wait for their own, and an agent's are ended with it.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

const (
	startWait  = 5 * time.Second // for the agent, before the machine goes on without it
	dutyPause  = time.Second     // before a duty that panicked goes on
	heapLimit  = 24 << 20        // bytes; see tune
	executions = 4               // that may hang at once: of a threat, a unit of work, the updater and the agent
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: this program is the first process of a fleetfall VM and runs nowhere else")
		os.Exit(2)
	}
	tune()
	log := newLogger(os.Stderr)
	for {
		protect(log, "guest", func() { run(context.Background(), log) })
		wait(context.Background(), dutyPause)
	}
}

// tune keeps the guest talking while one of its executions hangs in the kernel, as it does when a permission listener
// hangs: Go starts a process by vfork, which holds one of its processors until the execution is decided, and a garbage
// collection would wait for that processor. So there is one more of them than executions that may hang, and garbage is
// collected only at the heap's limit, hours apart, which also spares an idle fleet's CPU.
func tune() {
	runtime.GOMAXPROCS(executions + 1)
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(heapLimit)
}

// run boots the machine and serves until ctx ends.
func run(ctx context.Context, log *logger) {
	tally := newTally()
	disk := &disk{root: dataDir}
	agent := newAgent(tally, log)
	mountKernelFilesystems(log)
	rest(log)
	settings := readSettings("/proc/cmdline", log)
	loadModules(modulesFiles+settings.link, log)
	log.check("workload", makeLoadData(loadData))
	vitals := newVitals("/proc", log)
	// Over shared memory a machine asks before it mounts its disk, and is copied there at every boot. (The kernel has
	// looked for partitions on it, and remembers nothing else.) Over a port it is copied once, on the disk that all
	// hosts begin with, after all that a boot is.
	var me *member
	if settings.link == mailboxLink {
		me = join(ctx, settings, log)
	}
	boot(ctx, settings, agent, log)

	if arch, ok := settings.agent(); ok && arch.daemon != nil {
		agent.starting()
		duty(ctx, log, "supervisor", func() { supervise(ctx, arch.daemon, agent, tally, log) })
		agent.awaitStart(ctx, startWait)
	}

	threats := &threats{dir: programsDir, files: "/run", patience: patience, agent: agent, tally: tally, log: log}
	if !settings.safe() {
		// Before anything else is known of the agent, so that the first beat says if the host is protected.
		protect(log, "first threat", func() { threats.one(ctx) })
	}

	state, version := agent.status()
	log.consoleOnly("the agent is %s with content %d", state, version)
	greeting := greet(settings, disk, agent, log)

	// The updater's network comes up last, so that an agent that crashes the machine at boot does so before a remedy
	// can arrive.
	if me == nil {
		syscall.Sync() // else each copy of a template writes what the template had not yet written
		if me = join(ctx, settings, log); me.config.Copied {
			tally.inherit()
		}
	}
	session, config := me.session, me.config
	session.orders = newOrders(disk, agent, tally).carryOut
	hello(ctx, session, greeting, log)
	duty(ctx, log, "log", func() { log.deliver(ctx, session) })
	startBeats := func() {
		duty(ctx, log, "beats", func() { beat(ctx, config.Beat, config.BeatPhase, session, agent, vitals, tally) })
	}
	if settings.safe() {
		startBeats()
		<-ctx.Done()
		return
	}
	startBeats()
	duty(ctx, log, "threats", func() { threats.run(ctx, config.Threat, config.Work, config.WorkPhase) })
	duty(ctx, log, "workload", func() { work(ctx, config.Work, config.WorkPhase, loadKinds(programsDir), tally) })
	updater := &updater{
		program: programsDir + "/updater", patience: patience,
		session: session, disk: disk, agent: agent, tally: tally, log: log,
	}
	duty(ctx, log, "updater", func() { updater.run(ctx, config.Poll, config.PollPhase) })
	<-ctx.Done()
}

// A member is a machine that knows which host of the fleet it is.
type member struct {
	session *session
	config  protocol.Config
}

// join asks who this machine is, and makes it that.
func join(ctx context.Context, set settings, log *logger) *member {
	m := &member{session: &session{transport: openTransport(ctx, set.link, log), log: log}}
	log.check("protocol", protocol.Rehearse())
	identity := newIdentity(log)
	stamp, tsc, err := stampKernelLog("/dev/kmsg")
	log.check("kernel's log", err)
	m.config = whoAmI(ctx, m.session, protocol.Identify{LogTime: stamp, LogTSC: tsc}, log)
	m.session.boot = identity.assume(m.config)
	log.check("memory's layout", takePages(m.config.Layout))
	return m
}

// whoAmI asks the host what this machine is to be. A template stands still in here, and so each of its copies begins
// here.
func whoAmI(ctx context.Context, s *session, question protocol.Identify, log *logger) protocol.Config {
	for {
		reply, err := s.call(ctx, protocol.Request{Identify: &question})
		if err == nil && reply.Config != nil {
			return *reply.Config
		}
		log.printf("no configuration in the reply to identify: %v", err)
		if !wait(ctx, retryPause) {
			return protocol.Config{}
		}
	}
}

// greet is what a machine has to say at its hello.
func greet(set settings, d *disk, a *agent, log *logger) protocol.Hello {
	version, err := d.version()
	if err != nil {
		log.printf("content on the disk: %v", err)
	}
	state, _ := a.status()
	return protocol.Hello{
		Protocol:       protocol.Version,
		Mode:           set.mode,
		Architecture:   set.architecture,
		ContentVersion: version,
		AgentState:     state,
		Kernel:         kernelRelease(log),
	}
}

// hello says that this machine is up.
func hello(ctx context.Context, s *session, greeting protocol.Hello, log *logger) {
	for {
		_, err := s.call(ctx, protocol.Request{Hello: &greeting})
		if err == nil {
			return
		}
		log.printf("hello: %v", err)
		if !wait(ctx, retryPause) {
			return
		}
	}
}

// duty runs f in a goroutine, and again after a panic, until f returns.
func duty(ctx context.Context, log *logger, name string, f func()) {
	go func() {
		for !protect(log, name, f) && wait(ctx, dutyPause) {
		}
	}()
}

// protect runs f and tells whether it returned; a panic is logged. (Linux panics when its first process ends, and that
// must never be our doing.)
func protect(log *logger, name string, f func()) (returned bool) {
	defer func() {
		if cause := recover(); cause != nil {
			log.printf("%s: panic: %v", name, cause)
		}
	}()
	f()
	return true
}

// repeat calls f every so often until ctx ends; never if every is 0. A call that takes longer delays the next.
func repeat(ctx context.Context, every time.Duration, f func()) {
	if every <= 0 {
		return
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f()
		}
	}
}

// within is a phase as the host gave it, if it is one: below the interval and not negative; else none.
func within(phase, every time.Duration) time.Duration {
	if phase < 0 || phase >= every {
		return 0
	}
	return phase
}

// wait returns true after d, or false once ctx ends.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
