package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

// An updater asks the host for content and gives it to the agent. What it has, a program of its own says: an agent that
// refuses that program, or hangs its execution, has cut itself off from the update that would mend it; and so has one
// in whose load the updater's thread is lost.
type updater struct {
	program  string
	patience time.Duration
	session  *session
	disk     *disk
	agent    *agent
	tally    *tally
	log      *logger

	other protocol.Content // what was put on the disk in this boot beside the channel file, if that was later; without Data
}

// run polls every so often until ctx ends; never if every is 0. The first poll is at this host's phase within the
// interval, so that a fleet that booted at once does not poll at once.
func (u *updater) run(ctx context.Context, every, phase time.Duration) {
	if every <= 0 || !wait(ctx, within(phase, every)) {
		return
	}
	u.poll(ctx)
	repeat(ctx, every, func() { u.poll(ctx) })
}

// poll asks for content, unless the program fails, and has the agent load what is new.
func (u *updater) poll(ctx context.Context) {
	var have uint64
	installed := u.step("its program", func() (err error) {
		have, err = u.installed()
		return err
	})
	if u.other.Path != "" {
		have = u.other.Version // of what no program knows
	}
	if installed && u.fetch(ctx, have) {
		u.step("the agent's load", func() error {
			u.agent.load()
			return nil
		})
	}
}

// step does a part of a poll that is in the agent's hands, and tells whether it went well. That it did not is noted,
// and for each stretch of patience for which it hangs.
func (u *updater) step(doing string, act func() error) (ok bool) {
	watch(u.patience, act, func(_ time.Duration, err error) {
		if ok = err == nil; !ok {
			u.log.printf("updater: %s: %v", doing, err)
			u.tally.pollFailed()
		}
	})
	return ok
}

// installed executes the updater's program and returns the version of the newest content, 0 when there is none. An
// error says that the program could not run.
func (u *updater) installed() (uint64, error) {
	var ends [2]int // of a pipe that no goroutine of Go's waits for: the program has ended before it is read
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return 0, fmt.Errorf("making a pipe: %w", err)
	}
	defer syscall.Close(ends[0])
	theirs := os.NewFile(uintptr(ends[1]), "updater's output")
	state, err := start(theirs, u.program, u.disk.current())
	theirs.Close()
	switch {
	case err != nil:
		return 0, err
	case state.ExitCode() == 1:
		return 0, nil // no content, and the host is asked for some
	case !state.Success():
		return 0, fmt.Errorf("%s: %s", u.program, state)
	}
	var version [8]byte
	if n, err := syscall.Read(ends[0], version[:]); err != nil || n != len(version) {
		return 0, fmt.Errorf("%s: a version of %d bytes, %v", u.program, n, err)
	}
	return binary.LittleEndian.Uint64(version[:]), nil
}
