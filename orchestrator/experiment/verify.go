package experiment

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/fleetfall/fleetfall/internal/tool"
	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/scenarios"
)

// ErrWallClock is wrapped by Run's error when a run is to be verified whose clock is the wall's.
var ErrWallClock = errors.New("verification needs the virtual clock: on the wall clock a busy machine stretches every time, so that no run is the same twice")

// checkVerify refuses, before anything boots, what cannot be verified. A run goes on as it began.
func (r *run) checkVerify() error {
	if r.before == nil && r.Verify {
		// How far times may differ says the backend, once it is open.
		r.verify = &results.Verify{}
	}
	if r.verify != nil && r.Plan.Clock == scenarios.ClockWall {
		return fmt.Errorf("%w; ask for clock %q", ErrWallClock, scenarios.ClockVirtual)
	}
	return nil
}

// upcoming lists the trials that there are to run, second ones included, in the order in which they are run.
func (r *run) upcoming(left []orchestrator.Trial) []orchestrator.Trial {
	var all []orchestrator.Trial
	for _, t := range left {
		all = append(all, t)
		if r.verify != nil && t.Verifies == 0 {
			all = append(all, t)
		}
	}
	return all
}

// verifying is the number of the trial in this place of which a run that is resumed still lacks the second run; 0 when
// it lacks none, or the first as well.
func (r *run) verifying(t orchestrator.Trial) int {
	if r.verify == nil || r.before.Finished(t.Cell.ID, t.Repeat, t.Wave, true) {
		return 0
	}
	return r.before.Counted(t.Cell.ID, t.Repeat, t.Wave)
}

// busyScript is what a process of the load does: nothing, as fast as it can.
const busyScript = "while :; do :; done"

// busy is a load on the machine's CPUs: processes of their own, so that it is the machine that is busy and not this
// process, whose orchestrator is to answer as fast as it gets to run.
type busy struct {
	done  chan struct{}
	ended chan error // one for each process
	pids  []int
}

// keepBusy starts as many processes. They end with stop, and whatever ends this process.
func keepBusy(processes int) (*busy, error) {
	shell, err := tool.Find("sh")
	if err != nil {
		return nil, err
	}
	b := &busy{done: make(chan struct{}), ended: make(chan error, processes)}
	started := make(chan int, processes)
	for range processes {
		go func() { b.ended <- spin(shell, started, b.done) }()
	}
	for range processes {
		if pid := <-started; pid != 0 {
			b.pids = append(b.pids, pid)
		}
	}
	if len(b.pids) < processes {
		return nil, b.stop()
	}
	return b, nil
}

// spin keeps one process busy until done is closed. It tells its number, 0 when it could not be started.
func spin(shell string, started chan<- int, done <-chan struct{}) error {
	// The kernel takes the end of the thread that starts a process for that of its parent.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(shell, "-c", busyScript)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		started <- 0
		return fmt.Errorf("keep a CPU busy: %w", err)
	}
	started <- cmd.Process.Pid
	<-done
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return errors.Join(fmt.Errorf("end process %d, which keeps a CPU busy: %w", cmd.Process.Pid, err), cmd.Wait())
	}
	_ = cmd.Wait() // says that it was killed
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		return fmt.Errorf("process %d was to keep a CPU busy, and ended by itself: %v", cmd.Process.Pid, cmd.ProcessState)
	}
	return nil
}

// stop ends the processes and waits for them.
func (b *busy) stop() error {
	close(b.done)
	var errs []error
	for range cap(b.ended) {
		errs = append(errs, <-b.ended)
	}
	return errors.Join(errs...)
}
