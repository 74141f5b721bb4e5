package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/agents/content"
)

func TestExecutions(t *testing.T) {
	daemons(t, func(t *testing.T, program, _ string) {
		d := start(t, program)
		d.programs("work", "threat-exec-1", "threat-mark-1", "suspect-good", "suspect-bad")
		d.run("work", false)
		d.run("threat-exec-1", true)
		d.expect("detect 1 block * " + d.in("threat-exec-1"))
		d.run("threat-mark-1", false)
		d.expect("detect 2 detect * " + d.in("threat-mark-1"))
		// The inspector is not on the file system that is watched.
		d.run("suspect-good", false)
		d.expect("detect 201 detect * " + d.in("suspect-good"))
		d.run("suspect-bad", true)
		d.expect("detect 201 block * " + d.in("suspect-bad"))
	})
}

func TestFiles(t *testing.T) {
	daemons(t, func(t *testing.T, program, _ string) {
		mountPoint := filepath.Join(filepath.Dir(program), "mnt")
		for _, name := range []string{"written", "mapped"} { // before anybody watches
			if err := os.WriteFile(filepath.Join(mountPoint, name), []byte("before"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		d := start(t, program)
		me := strconv.Itoa(os.Getpid())

		// A write through a mapping comes first, and nothing is said of it.
		f, err := os.OpenFile(d.in("mapped"), os.O_RDWR, 0)
		d.must(err)
		defer f.Close()
		m, err := syscall.Mmap(int(f.Fd()), 0, 6, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
		d.must(err)
		copy(m, "after.")
		d.must(syscall.Munmap(m))
		if data, err := os.ReadFile(d.in("mapped")); err != nil || string(data) != "after." {
			t.Fatalf("the write through the mapping: %q, %v", data, err)
		}

		d.must(os.WriteFile(d.in("threat-rename-1"), []byte("x"), 0o644))
		d.must(os.Rename(d.in("threat-rename-1"), d.in(content.ThreatSystemFile)))
		d.expect("detect 7 detect " + me + " threat-rename-1")
		d.must(os.WriteFile(d.in("agent-state-\n"), nil, 0o644))
		d.must(os.Remove(d.in("agent-state-\n")))
		d.expect("detect 8 detect " + me + " agent-state-?")
		w, err := os.OpenFile(d.in("written"), os.O_WRONLY, 0)
		d.must(err)
		_, err = w.WriteString("after")
		d.must(err)
		d.must(w.Close())
		d.expect("detect 200 detect " + me + " written")
	})
}

// The life of an update: refused, accepted, and one that makes the agent read what is not there.
func TestUpdates(t *testing.T) {
	daemons(t, func(t *testing.T, program, _ string) {
		d := start(t, program)
		d.programs("work", "threat-exec-1")
		damaged := []byte("FFCH\x01\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00" + strings.Repeat("x", 100))
		d.write(damaged)
		d.say("load")
		d.expect("refused 5 signature is not the vendor's")
		// Who is no channel file claims no version; one of a format to come does.
		d.write(append([]byte("X"), damaged[1:]...))
		d.say("load")
		d.expect("refused 0 signature is not the vendor's")
		d.write(damaged[:19])
		d.say("load")
		d.expect("refused 0 too short for a channel file")
		d.write(d.update("unknown_version", 12))
		d.say("load")
		d.expect("refused 12 unknown format or flags")

		d.ship(content.Update(3))
		d.say("load")
		d.expect("loaded 3")
		d.run("threat-exec-1", true)
		d.expect("detect 1 block * " + d.in("threat-exec-1"))

		d.write(d.update("field_count", 4))
		d.say("load")
		d.expect("loaded 4")
		if !d.readsAstray(program) {
			d.run("threat-exec-1", false)
		}
	})
}

// readsAstray has a program run that meets content by which the daemon in C reads what it must not: it dies of a
// segmentation fault, and the one in Go lives, and blocks as before.
func (d *daemon) readsAstray(program string) (lives bool) {
	d.run("work", false)
	if filepath.Base(program) == "safe" {
		d.run("threat-exec-1", true)
		d.expect("detect 1 block * " + d.in("threat-exec-1"))
		return true
	}
	d.socket.Close() // an agent that goes on instead ends by that
	err := d.cmd.Wait()
	if status := d.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGSEGV {
		d.t.Errorf("the agent ended with %v, want a segmentation fault", err)
	}
	return false
}

// A criterion on field 23 reads the letters of the event's path, where there are any: agents/interpreter/README.md.
func TestFieldBehindTheEvent(t *testing.T) {
	fault, err := content.FindFault("field_count")
	if err != nil {
		t.Fatal(err)
	}
	_, key := content.TestVendorKey()
	update, err := fault.Update(2, 1, content.Params{"field": "23"}, key)
	if err != nil {
		t.Fatal(err)
	}
	daemons(t, func(t *testing.T, program, _ string) {
		d := start(t, program)
		d.programs("threat-exec-1", "work")
		d.write(update)
		d.say("load")
		d.expect("loaded 2")
		d.readsAstray(program)
	})
}

// The inspector's own execution waits for the agent, which waits for the inspector: nothing goes on before somebody kills the
// process that is to become the inspector.
func TestInspectorThatIsWatched(t *testing.T) {
	daemons(t, func(t *testing.T, program, inspector string) {
		d := start(t, program)
		d.programs("suspect-good", "inspect", "work")
		d.must(os.Remove(inspector))
		d.must(os.Symlink(d.in("inspect"), inspector))
		shell := d.startShell("suspect-good")
		d.must(syscall.Kill(d.childThatWaits(d.cmd.Process.Pid), syscall.SIGKILL))
		const cannotExecute = 126
		if _ = shell.Wait(); shell.ProcessState.ExitCode() != cannotExecute {
			t.Errorf("the execution: %v, want it refused", shell.ProcessState)
		}
		d.expect("detect 201 block * " + d.in("suspect-good"))
		d.run("work", false)
	})
}

// An agent that is killed closes its groups, and the execution that waits for its answer goes on.
func TestKilledAgentLetsGo(t *testing.T) {
	daemons(t, func(t *testing.T, program, _ string) {
		d := start(t, program)
		d.programs("work")
		d.stop()
		shell := d.startShell("work")
		d.childThatWaits(shell.Process.Pid)
		d.must(d.cmd.Process.Kill())
		if err := shell.Wait(); err != nil {
			t.Errorf("the execution: %v, want it let go", err)
		}
	})
}

// stop stops the agent, and waits until all of its threads stand still: one that does not yet would answer.
func (d *daemon) stop() {
	d.t.Helper()
	d.must(d.cmd.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(d.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	for err == syscall.EINTR {
		_, err = syscall.Wait4(d.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	}
	if d.must(err); !status.Stopped() {
		d.t.Fatalf("the agent ended with %v, want it stopped", status)
	}
}

// startShell has a shell execute the program: while an execution of Go's waits, so may all that Go does in this process. With
// the test ends the shell, and what it has started.
func (d *daemon) startShell(name string) *exec.Cmd {
	d.t.Helper()
	shell := exec.Command("sh", "-c", d.in(name)+"; exit $?")
	startGroup(d.t, shell)
	return shell
}

// startGroup starts a program that ends with the test, and with it whatever is left of what it has started.
func startGroup(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // unless all of it has ended
		_ = cmd.Wait()                                      // unless the test has
	})
}

// patience is for what no event tells of: far more than it takes, and less than the test may.
const patience = time.Minute

// childThatWaits returns a child of the process, which the test has started, once it waits in the kernel and cannot be interrupted.
func (d *daemon) childThatWaits(parent int) int {
	d.t.Helper()
	giveUp, again := time.After(patience), time.NewTicker(time.Millisecond)
	defer again.Stop()
	for {
		stats, _ := filepath.Glob("/proc/[0-9]*/stat")
		for _, path := range stats {
			stat, _ := os.ReadFile(path) // it may have ended
			_, after, _ := strings.Cut(string(stat), ") ")
			f := strings.Fields(after)
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			switch {
			case len(f) < 2:
			case f[0] == "D" && f[1] == strconv.Itoa(parent):
				return pid
			case f[0] == "Z" && pid == parent:
				d.t.Fatalf("process %d has ended, and no child of it waits; the agent says %q", parent, d.unheard())
			}
		}
		select {
		case <-giveUp:
			d.t.Fatalf("no child of process %d waits; the agent says %q", parent, d.unheard())
		case <-again.C:
		}
	}
}

// unheard returns what the agent has said that no expect has read.
func (d *daemon) unheard() string {
	d.t.Helper()
	var said strings.Builder
	socket, err := d.socket.SyscallConn()
	d.must(err)
	d.must(socket.Read(func(fd uintptr) bool {
		var buffer [maxLine]byte
		for {
			n, err := syscall.Read(int(fd), buffer[:])
			if err != nil || n == 0 {
				return true
			}
			said.Write(buffer[:n])
		}
	}))
	return said.String()
}
