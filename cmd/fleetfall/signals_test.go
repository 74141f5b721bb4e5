package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fleetfall/fleetfall/internal/capability"
)

// A waiting is a fleetfall that waits for the lock of an image cache, which the test has: all of the program runs,
// without a VM.
type waiting struct {
	cmd    *exec.Cmd
	lines  *bufio.Reader // of its standard error
	stderr io.Closer     // the reading end
}

// startWaiting starts one by a command line in front of its own, and returns when it waits.
func startWaiting(t *testing.T, before ...string) *waiting {
	t.Helper()
	capability.VMs(t)
	cache := t.TempDir()
	lock, err := os.Create(filepath.Join(cache, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	args := append(before, "fleetfall", "image", "build", "--cache", cache)
	cmd := exec.Command(args[0], args[1:]...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended, or the test has failed
		_ = cmd.Wait()
	})
	w := &waiting{cmd: cmd, lines: bufio.NewReader(stderr), stderr: stderr}
	for line := ""; !strings.Contains(line, "wait for another build"); {
		if line, err = w.lines.ReadString('\n'); err != nil {
			t.Fatalf("it ended before it waited: %v", err)
		}
	}
	return w
}

// signal sends signals one after the other.
func (w *waiting) signal(t *testing.T, signals ...syscall.Signal) {
	t.Helper()
	for _, s := range signals {
		if err := w.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
}

// expectInterrupted waits for the end, as by an interruption, and returns the rest of what was said.
func (w *waiting) expectInterrupted(t *testing.T) string {
	t.Helper()
	said, _ := io.ReadAll(w.lines) // fails where the test has closed it
	_ = w.cmd.Wait()               // the state tells
	if code := w.cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("it ended with %v, want exit code %d; it said\n%s", w.cmd.ProcessState, exitInterrupted, said)
	}
	return string(said)
}

// TestSignals: each that asks the program to end has it end as Ctrl-C does.
func TestSignals(t *testing.T) {
	for signal, says := range map[syscall.Signal]string{
		syscall.SIGINT: "interrupt signal received", syscall.SIGTERM: "terminated signal received", syscall.SIGHUP: "hangup signal received",
	} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			w := startWaiting(t, "env", "--default-signal=HUP") // which tests that run under nohup ignore
			w.signal(t, signal)
			if said := w.expectInterrupted(t); !strings.Contains(said, says) {
				t.Errorf("it said %q, want %q", said, says)
			}
		})
	}
}

// TestHangupUnderNohup is ignored, as whoever starts a program by nohup wants it.
func TestHangupUnderNohup(t *testing.T) {
	capability.Tools(t, "nohup", "coreutils")
	w := startWaiting(t, "nohup")
	w.signal(t, syscall.SIGHUP, syscall.SIGINT)
	if said := w.expectInterrupted(t); !strings.Contains(said, "interrupt signal received") {
		t.Errorf("it said %q, want that it was interrupted, and not hung up", said)
	}
}

// TestLostOutput: a program whose lines nobody reads any more still ends in order.
func TestLostOutput(t *testing.T) {
	w := startWaiting(t)
	if err := w.stderr.Close(); err != nil {
		t.Fatal(err)
	}
	w.signal(t, syscall.SIGTERM)
	w.expectInterrupted(t)
}

// TestSecondHangup does not end the program: a terminal that is closed sends two. Where it did, it would end this test.
func TestSecondHangup(t *testing.T) {
	hangups := make(chan os.Signal, 2)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	ctx, stop := interruptible(t.Context())
	defer stop()
	for range 2 {
		if err := unix.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		<-hangups
		<-ctx.Done()
	}
	if cause := context.Cause(ctx); cause == nil || cause.Error() != "hangup signal received" {
		t.Errorf("the context ended because of %v", cause)
	}
}

// openTerminal makes a pseudo-terminal: its user's end, and the end of programs.
func openTerminal(t *testing.T) (user, programs *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := user.SyscallConn() // File.Fd would have a read of it wait where Close does not end it
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var failed error
	err = raw.Control(func(fd uintptr) {
		unlock := unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		size := unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 100})
		n, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		failed = errors.Join(failed, unlock, size)
	})
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	programs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return user, programs
}

// TestClosedTerminal in the middle of a trial: nothing is left but a journal that is whole.
func TestClosedTerminal(t *testing.T) {
	t.Parallel() // its run waits more than it works
	capability.VMs(t)
	user, programs := openTerminal(t)
	p := &process{t: t, dir: t.TempDir(), ended: make(chan struct{})}
	p.cmd = exec.Command("env", "--default-signal=HUP", "fleetfall", "run", "--results", p.dir, smoke, "--var", "revert_after=3m", "--var", "criterion=any")
	p.cmd.Env = append(os.Environ(), "TERM=xterm")
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = programs, programs, programs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	programs.Close() // the program has its own
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it has ended, or the test has failed
		<-p.ended
	})
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		_, _ = io.Copy(&p.stderr, user) // until it is closed
	}()
	p.await(`"what":"injected"`)
	if err := p.until("the terminal showed it", func() bool { return strings.Contains(p.stderr.String(), "injected") }); err != nil {
		t.Fatal(err)
	}
	run := p.runID()
	if err := user.Close(); err != nil {
		t.Fatal(err)
	}
	<-shown
	p.expect(exitInterrupted)
	expectNothingOf(t, run)
	if j := p.journal(); j.Status != "interrupted" || j.Reason != "hangup signal received" || j.Ending == nil {
		t.Errorf("the journal is not whole: %q because of %q", j.Status, j.Reason)
	}
}
