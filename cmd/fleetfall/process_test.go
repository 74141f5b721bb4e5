package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt"
	"github.com/fleetfall/fleetfall/results"
)

// A process is fleetfall as a user runs it.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	ended  chan struct{} // closed when it has ended
	err    error         // of Wait; only once it has ended
	dir    string        // of its results
	stdout output
	stderr output
}

// smoke is the scenario of most tests.
const smoke = "testdata/smoke.hcl"

// An output is what a process has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start runs the smoke scenario with results in dir, a new one if it is empty.
func start(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	capability.VMs(t)
	if dir == "" {
		dir = t.TempDir()
	}
	return startRun(t, dir, append([]string{smoke}, args...)...)
}

// startRun starts fleetfall run with results in dir.
func startRun(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p, err := launch(t, dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// runTime is more than any run of a test takes, on a machine that is three times as busy as a slow one.
const runTime = 15 * time.Minute

// launch is startRun for any goroutine. A run that goes on for too long is killed, in time for the test to say so.
func launch(t *testing.T, dir string, args ...string) (*process, error) {
	p := &process{t: t, dir: dir, ended: make(chan struct{})}
	limit := runTime
	if end, ok := t.Deadline(); ok {
		limit = min(limit, time.Until(end)-time.Minute)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	p.cmd = exec.CommandContext(ctx, "fleetfall", append([]string{"run", "--results", dir}, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Errorf("fleetfall run %s: not done within %v, and killed; it said\n%s", strings.Join(args, " "), limit, p.stderr.String())
		}
		close(p.ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-p.ended
	})
	return p, nil
}

// wait returns the exit code, -1 for an end by a signal.
func (p *process) wait() int {
	p.t.Helper()
	<-p.ended
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		p.t.Fatal(p.err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// expect waits for the end with this code.
func (p *process) expect(code int) {
	p.t.Helper()
	if got := p.wait(); got != code {
		p.t.Fatalf("exit code %d, want %d\n%s\n%s", got, code, p.stdout.String(), p.stderr.String())
	}
}

// await waits until the journal holds text.
func (p *process) await(text string) {
	p.t.Helper()
	if err := p.until(fmt.Sprintf("the journal held %q", text), func() bool { return p.journalHolds(text) }); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) journalHolds(text string) bool {
	data, err := os.ReadFile(filepath.Join(p.dir, "latest", results.JournalFile))
	return err == nil && bytes.Contains(data, []byte(text))
}

// errEnded is until's for a process that ended first.
var errEnded = errors.New("it ended first")

// until waits while the process runs, which is not for ever, and nothing is so.
func (p *process) until(what string, so func() bool) error {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !so() {
		select {
		case <-look.C:
		case <-p.ended:
			if so() {
				return nil
			}
			return fmt.Errorf("until %s: %w\n%s", what, errEnded, p.stderr.String())
		}
	}
	return nil
}

// stopped tells whether all of the process has come to a stop, which it does some time after the signal.
func (p *process) stopped() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, &info, unix.WSTOPPED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

func (p *process) read(name string) []byte {
	p.t.Helper()
	data, err := os.ReadFile(filepath.Join(p.dir, "latest", name))
	if err != nil {
		p.t.Fatal(err)
	}
	return data
}

func (p *process) results() *results.Results {
	p.t.Helper()
	r, err := results.Decode(bytes.NewReader(p.read(results.ResultsFile)))
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// journal is the journal as it is now.
func (p *process) journal() *results.Journal {
	p.t.Helper()
	j, err := results.Read(bytes.NewReader(p.read(results.JournalFile)))
	if err != nil {
		p.t.Fatal(err)
	}
	return j
}

// runID is known once the journal is.
func (p *process) runID() string {
	p.t.Helper()
	return p.journal().RunID
}

// processesOf lists the processes of a run by its ID, which is in all their command lines or in the names of what they
// have mapped.
func processesOf(t *testing.T, run string) []string {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Error(err)
	}
	var found []string
	for _, path := range lines {
		line, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		maps, err := os.ReadFile(filepath.Join(filepath.Dir(path), "maps"))
		if bytes.Contains(line, []byte(run)) || err == nil && bytes.Contains(maps, []byte(run)) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// expectNothingOf looks for everything but results: processes, files, promises of memory, sockets and shared memory.
func expectNothingOf(t *testing.T, run string) {
	t.Helper()
	if left := processesOf(t, run); len(left) > 0 {
		t.Errorf("processes of run %s are left: %q", run, left)
	}
	for _, root := range []string{libvirt.DefaultWorkRoot(), "/dev/shm"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.Contains(d.Name(), run) {
				t.Errorf("a file of run %s is left: %s", run, path)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil // another run's
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	sockets, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(sockets)) {
		if strings.Contains(line, run) {
			t.Errorf("a socket of run %s is left: %s", run, line)
		}
	}
}
