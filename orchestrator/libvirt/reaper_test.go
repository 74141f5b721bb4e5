package libvirt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// awaitInfra reads events until the testbed fails a host, and returns why.
func awaitInfra(r *run, host string) fleet.InfraFailed {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 90*time.Second)
	defer cancel()
	for {
		e, err := r.Next(ctx)
		if err != nil {
			r.t.Fatalf("%v\n%s", err, r.story())
		}
		r.seen = append(r.seen, e)
		if failed, ok := e.What.(fleet.InfraFailed); ok {
			if e.Host != host {
				r.t.Fatalf("%v while waiting for %s's:\n%s", e, host, r.story())
			}
			return failed
		}
	}
}

// qemu is the process of a host's VM.
func (r *run) qemu(host string) int {
	r.t.Helper()
	found, err := qemu.OfDomain(r.Fleet.(vms).DomainOf(host))
	if err != nil {
		r.t.Fatal(err)
	}
	return found.PID
}

// What ends a QEMU is told apart from what ends its guest, on each clock.
func TestHowQEMUEnds(t *testing.T) {
	tiny, hostile := images(t)
	h := open(t)
	t.Run("wall", func(t *testing.T) {
		before := qemu.OOMKills()
		howQEMUEnds(start(t, h, hostile, 2), []byte("panic"), before)
	})
	t.Run("virtual", func(t *testing.T) {
		before := qemu.OOMKills()
		r := start(t, h, tiny, 2, func(c *vm.FleetConfig) {
			c.Clock = fleet.VirtualClock
			for i := range c.Hosts {
				c.Hosts[i].Architecture = "kernel"
			}
		})
		howQEMUEnds(r, channelFile(t, 7, "field_count"), before)
	})
}

// howQEMUEnds is given what makes a guest panic.
func howQEMUEnds(r *run, deadly []byte, oomBefore int) {
	t := r.t
	for _, host := range []string{"host-0", "host-1"} {
		r.do(fleet.Boot{Host: host, Mode: fleet.Normal})
		await[fleet.Hello](r, host)
	}
	for _, test := range []struct {
		signal syscall.Signal
		want   string
	}{
		{unix.SIGKILL, "QEMU was killed by signal 9 (killed), and not by the kernel for memory"},
		{unix.SIGSEGV, "QEMU was killed by signal 11 (segmentation fault), and not by the kernel for memory"},
		{unix.SIGTERM, "QEMU was told to end by a signal"}, // upon which it ends as if its guest had
	} {
		if err := unix.Kill(r.qemu("host-0"), test.signal); err != nil {
			t.Fatal(err)
		}
		failed := awaitInfra(r, "host-0")
		// The kernel of a machine with little memory may have killed something else since, which cannot be told from
		// this QEMU.
		elsewhere := test.signal == unix.SIGKILL && killedForMemory.MatchString(failed.Reason) && qemu.OOMKills() > oomBefore
		if failed.Op != "run domain" || failed.Reason != test.want && !elsewhere {
			t.Errorf("%+v, want %s", failed, test.want)
		}
		r.do(fleet.Boot{Host: "host-0", Mode: fleet.Normal})
		await[fleet.Hello](r, "host-0")
	}
	r.do(fleet.Offer(7, deadly).To("host-1"))
	await[fleet.Panic](r, "host-1")
	r.close()
	if n := count[fleet.Panic](r, "host-0") + count[fleet.PoweredOff](r, "host-0"); n != 0 {
		t.Errorf("%d panics or ends of a guest whose QEMU was killed:\n%s", n, r.story())
	}
	if n := count[fleet.InfraFailed](r, "host-1"); n != 0 {
		t.Errorf("%d failures of the testbed where a guest panicked:\n%s", n, r.story())
	}
}

// TestBootAtOnce boots a host as soon as its VM has ended by itself, which libvirt then still knows by its name.
func TestBootAtOnce(t *testing.T) {
	_, hostile := images(t)
	r := start(t, open(t), hostile, 1)
	r.do(fleet.Boot{Host: "host-0", Mode: fleet.Normal})
	await[fleet.Booting](r, "host-0")
	for range 12 { // one in some twenty was refused on a busy machine
		if err := unix.Kill(r.qemu("host-0"), unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		awaitInfra(r, "host-0")
		r.do(fleet.Boot{Host: "host-0", Mode: fleet.Normal})
		await[fleet.Booting](r, "host-0")
	}
	r.close()
}

// killedForMemory counts the processes of the whole machine.
var killedForMemory = regexp.MustCompile(`has killed [1-9]\d* processes for memory`)

// A QEMU that has more memory than it may is killed by the kernel, which is no guest's panic either, and is said.
func TestKilledForMemory(t *testing.T) {
	_, hostile := images(t)
	limit := smallMemory(t)
	r := start(t, open(t), hostile, 2)
	r.do(fleet.Boot{Host: "host-0", Mode: fleet.Normal})
	await[fleet.Hello](r, "host-0")
	r.do(fleet.Boot{Host: "host-1", Mode: fleet.Normal})
	await[fleet.Booting](r, "host-1") // from here on its memory grows by all that a kernel takes to boot
	if err := os.WriteFile(limit, []byte(strconv.Itoa(r.qemu("host-1"))), 0); err != nil {
		t.Fatal(err)
	}
	failed := awaitInfra(r, "host-1")
	if failed.Op != "run domain" || !killedForMemory.MatchString(failed.Reason) {
		t.Errorf("%+v", failed)
	}
	await[fleet.Beat](r, "host-0")
	r.close()
	if n := count[fleet.Panic](r, "host-1") + count[fleet.BootFailed](r, "host-1"); n != 0 {
		t.Errorf("it counts as the guest's doing:\n%s", r.story())
	}
}

// smallMemory makes a control group of processes that together may have 4 MiB, and returns the file that takes them
// in. The kernel looks for what to kill in that group alone.
func smallMemory(t *testing.T) string {
	t.Helper()
	const size = "4194304"
	for _, try := range []struct{ root, file string }{
		{"/sys/fs/cgroup", "memory.max"},
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, // of version 1
	} {
		group, err := os.MkdirTemp(try.root, "ff-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() {
			if err := os.Remove(group); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Error(err)
			}
		})
		if _, err := os.Stat(filepath.Join(group, try.file)); err != nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(group, try.file), []byte(size), 0); err == nil {
			return filepath.Join(group, "cgroup.procs")
		}
	}
	capability.Need(t, false, "a control group in which memory can be limited", "run as root of a machine with the memory controller")
	return ""
}
