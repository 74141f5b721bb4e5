package libvirt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/fleetfall/fleetfall/internal/process"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/workdir"
	"github.com/fleetfall/fleetfall/vmimages"
)

// ownerEnv makes this test binary play the run that is killed: it holds the work root, run ID, kernel, initramfs,
// disk and results directory.
const ownerEnv = "FLEETFALL_TEST_OWNER"

// TestOwnerProcess is no test: TestCollect starts it as the process that it kills.
func TestOwnerProcess(t *testing.T) {
	args := strings.Split(os.Getenv(ownerEnv), ":")
	if len(args) != 6 {
		return
	}
	h, err := Open(t.Context(), Config{WorkRoot: args[0], RunID: args[1], RunDir: args[5]})
	if err != nil {
		t.Fatal(err)
	}
	image := vmimages.Image{Name: "hostile", Kernel: args[2], Initrd: args[3], Disk: args[4], Cmdline: []string{"console=ttyS0", "panic=0"}}
	r := start(t, h, image, 2)
	r.do(fleet.Boot{Host: "host-0", Mode: fleet.Normal}, fleet.Boot{Host: "host-1", Mode: fleet.Normal})
	await[fleet.Booting](r, "host-0")
	await[fleet.Hello](r, "host-1")
	fmt.Println("ready")
	<-t.Context().Done()
}

func TestCollect(t *testing.T) {
	_, hostile := images(t)
	root := filepath.Join(scratch.dir, "g")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	results := filepath.Join(t.TempDir(), "results")
	if err := os.Mkdir(results, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"as it was left", "owner file cut short", "daemon gone too"} {
		t.Run(how, func(t *testing.T) {
			id := randomID()
			dir := filepath.Join(root, id)
			cmd := exec.Command(self, "-test.run=^TestOwnerProcess$", "-test.timeout=5m")
			cmd.Env = append(os.Environ(), ownerEnv+"="+strings.Join([]string{root, id, hostile.Kernel, hostile.Initrd, hostile.Disk, results}, ":"),
				"TMPDIR="+t.TempDir()) // of a process that cannot clean up
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { // of what a test that failed has left
				_ = cmd.Process.Kill() // it may have been
				_ = cmd.Wait()
				if err := errors.Join(qemu.EndAll(context.WithoutCancel(t.Context()), dir, id), os.RemoveAll(dir)); err != nil {
					t.Error(err)
				}
			})
			var said []string
			for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "ready"; {
				said = append(said, lines.Text())
			}
			if found, err := Leftovers(root); err != nil || len(found) != 0 {
				t.Errorf("while its owner runs: %+v, %v", found, err)
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // says that it was killed
			running, err := qemu.OfRun(dir, id)
			if err != nil || len(running) != 3 {
				t.Fatalf("processes of the killed run: %v, %v, want a daemon and two QEMUs; it said\n%s", running, err, strings.Join(said, "\n"))
			}
			switch how {
			case "owner file cut short":
				if err := os.Truncate(filepath.Join(dir, workdir.OwnerFile), 20); err != nil {
					t.Fatal(err)
				}
			case "daemon gone too":
				daemon := slices.IndexFunc(running, func(p process.Running) bool { return filepath.Base(p.Args[0]) == "libvirtd" })
				if err := running[daemon].End(t.Context(), 5*time.Second); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			removed, err := Collect(ctx, root, zerolog.New(zerolog.NewTestWriter(t)))
			if err != nil || len(removed) != 1 || removed[0] != id {
				t.Errorf("removed %v, %v", removed, err)
			}
			if left, err := qemu.OfRun(dir, id); err != nil || len(left) != 0 {
				t.Errorf("processes left: %v, %v", left, err)
			}
			if entries, err := os.ReadDir(root); err != nil || len(entries) != 0 {
				t.Errorf("left in the work root: %v, %v", entries, err)
			}
			if _, err := os.Stat(results); err != nil {
				t.Errorf("the run's results are gone: %v", err)
			}
		})
	}
}

func TestLeftoversOfWorkDirectories(t *testing.T) {
	root := t.TempDir()
	if err := os.Chmod(root, 0o711); err != nil {
		t.Fatal(err)
	}
	self, err := process.LookUp(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	gone := process.ID{PID: self.PID, Start: self.Start + 1} // the number was given again
	for name, o := range map[string]*workdir.Owner{
		"running1":         {RunID: "running1", Process: self, BootID: process.MachineBoot()},
		"reused01":         {RunID: "reused01", Process: gone, BootID: process.MachineBoot(), RunDir: "/r"},
		"reboot01":         {RunID: "reboot01", Process: self, BootID: "another boot of the machine"},
		"noowner1":         nil,
		"stranger's files": nil,
	} {
		if err := os.MkdirAll(filepath.Join(root, name, "disks"), 0o700); err != nil {
			t.Fatal(err)
		}
		if o != nil {
			if err := workdir.WriteOwner(filepath.Join(root, name), *o); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{workdir.FreshName(self, "being001"), workdir.FreshName(gone, "undone01")} {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/", filepath.Join(root, "symlink1")); err != nil {
		t.Fatal(err)
	}
	removed, err := Collect(t.Context(), root, zerolog.Nop())
	if err != nil {
		t.Error(err)
	}
	if got, want := strings.Join(removed, " "), workdir.FreshName(gone, "undone01")+" noowner1 reboot01 reused01"; got != want {
		t.Errorf("removed %s, want %s", got, want)
	}
	left, err := os.ReadDir(root)
	if err != nil || len(left) != 4 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestSomebodyElsesRoot(t *testing.T) {
	root := t.TempDir()
	if err := os.Chmod(root, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Collect(t.Context(), root, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "nobody else may write") {
		t.Errorf("a root that everybody may write in: %v", err)
	}
}

// What cannot be ended in time stays to be found, and keeps nothing else from its end.
func TestCloseOutOfTime(t *testing.T) {
	root := shortDir(t)
	cfg := Config{RunID: randomID(), WorkRoot: root}
	w, err := workdir.Create(cfg.work())
	if err != nil {
		t.Fatal(err)
	}
	var left []*exec.Cmd
	var ends []func() error
	for i := range 2 { // of the run, by their command lines
		cmd := exec.Command("/bin/sh")
		cmd.Args = []string{"kvm", "-c", "read line", fmt.Sprintf("guest=%s%d-a", qemu.DomainPrefix(cfg.RunID), i)}
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		left, ends = append(left, cmd), append(ends, stdin.Close)
	}
	h := &Hypervisor{cfg: cfg, site: &vm.Site{Work: w}}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Close(over); !errors.Is(err, context.Canceled) {
		t.Errorf("closed without time for it: %v", err)
	}
	if _, err := workdir.ReadOwner(w.Path); err != nil {
		t.Errorf("nothing says where to look for what was left: %v", err)
	}
	for i, cmd := range left {
		_ = ends[i]() // upon which it ends by itself, if it has not been ended
		_ = cmd.Wait()
		if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() {
			t.Errorf("process %d was let run", i)
		}
	}
	if err := h.Close(t.Context()); err != nil {
		t.Errorf("closed again: %v", err)
	}
	if entries, err := os.ReadDir(root); err == nil {
		t.Errorf("left in the work root: %v", entries)
	}
}
