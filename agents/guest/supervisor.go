package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

// The supervisor's back-off, as service managers have it: doubled by each end, until the agent stays up for a while.
const (
	firstBackOff = time.Second
	lastBackOff  = time.Minute
	steadyAfter  = 2 * time.Minute
)

// nextBackOff returns how long to wait before the next start of an agent that was up for this long, when the wait
// before that was last (0 for none).
func nextBackOff(last, up time.Duration) time.Duration {
	if last == 0 || up >= steadyAfter {
		return firstBackOff
	}
	return min(2*last, lastBackOff)
}

// supervise keeps the agent's daemon running until ctx ends.
func supervise(ctx context.Context, command []string, a *agent, t *tally, log *logger) {
	var pause time.Duration
	for {
		a.starting()
		started := time.Now()
		exit, err := runAgent(a, command, log)
		pause = nextBackOff(pause, time.Since(started))
		if err != nil {
			log.printf("agent's daemon: %v", err)
		} else {
			exit.Restart = pause
			t.exit(exit)
		}
		a.ended(pause)
		if !wait(ctx, pause) {
			return
		}
	}
}

// runAgent runs the agent once, with a socket to us as descriptor 3, and says how it ended.
func runAgent(a *agent, command []string, log *logger) (protocol.Exit, error) {
	// Sequenced packets, so that no line is ever torn.
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return protocol.Exit{}, fmt.Errorf("making a socket: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(ends[0]), "agent"), os.NewFile(uintptr(ends[1]), "agent's end")
	defer ours.Close()
	process, err := os.StartProcess(command[0], command, &os.ProcAttr{
		Dir:   "/",
		Env:   []string{},
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, theirs},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	theirs.Close()
	if err != nil {
		return protocol.Exit{}, err
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		protect(log, "listening to the agent", func() { _ = a.serve(ours) }) // ends with the agent, which is told below
	}()
	state, err := process.Wait()
	endGroup(process.Pid)
	<-heard // its last words are in
	if err != nil {
		return protocol.Exit{}, err
	}
	status := state.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return protocol.Exit{Signal: int(status.Signal())}, nil
	}
	return protocol.Exit{Code: status.ExitStatus()}, nil
}

// endGroup ends what is left of a process group, the children of an agent that has ended, and has them waited for: they are
// ours now. Mostly there are none.
func endGroup(group int) {
	if syscall.Kill(-group, syscall.SIGKILL) != nil {
		return
	}
	go func() {
		for {
			if _, err := syscall.Wait4(-group, nil, 0, nil); err != nil && err != syscall.EINTR {
				return
			}
		}
	}()
}
