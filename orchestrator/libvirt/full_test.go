package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// smallDisk mounts a file system of this size for work directories and returns where.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	dir := filepath.Join(scratch.dir, "small")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755,size="+size); err != nil {
		capability.Need(t, false, "mount", "run as root with CAP_SYS_ADMIN")
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil { // which fails while anything in it is in use
			t.Error(err)
		}
	})
	return filepath.Join(dir, "w")
}

// fill writes until the file system of dir is full, and returns what has to be removed for it to have room again.
func fill(t *testing.T, dir string) (ballast string) {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := io.Copy(file, filling{}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	return file.Name()
}

type filling struct{}

func (filling) Read(p []byte) (int, error) { return len(p), nil }

// Where not all disks fit, the hosts without one are the testbed's failures, and the others run.
func TestNoRoomForDisks(t *testing.T) {
	_, hostile := images(t)
	const hosts = 8
	root := smallDisk(t, "1500k")
	h := open(t, func(c *Config) { c.WorkRoot = root })
	if m, err := h.Machine(t.Context()); err != nil || m.Disk <= 0 || m.Disk > 1500<<10 {
		t.Errorf("what is told of the disk, so that a run can be refused: %+v, %v", m, err)
	}
	r := start(t, h, hostile, hosts)
	for i := range hosts {
		r.do(fleet.Boot{Host: fmt.Sprintf("host-%d", i), Mode: fleet.Normal})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	failed, beating := map[string]bool{}, map[string]bool{}
	for len(failed)+len(beating) < hosts {
		e, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("%v\n%s", err, r.story())
		}
		r.seen = append(r.seen, e)
		switch w := e.What.(type) {
		case fleet.InfraFailed:
			failed[e.Host] = true
			if w.Op != "boot host" || !strings.Contains(strings.ToLower(w.Reason), "no space left") {
				t.Errorf("%v", e)
			}
		case fleet.Beat:
			beating[e.Host] = true
		case fleet.Panic, fleet.BootFailed, fleet.PoweredOff:
			t.Errorf("the guest's doing: %v", e)
		}
	}
	t.Logf("%d hosts run, %d do not", len(beating), len(failed))
	if len(failed) == 0 || len(beating) == 0 {
		t.Error("the disk is too large or too small to show anything: change its size here")
	}
	r.close()
}

// A template that does not fit takes no room from hosts that boot instead.
func TestNoRoomForTheTemplate(t *testing.T) {
	tiny, _ := images(t)
	root := smallDisk(t, "8m")
	h := open(t, func(c *Config) { c.WorkRoot, c.Cache = root, "" })
	if p := prepare(t, h, tiny, "user"); p.Copies || !strings.Contains(p.Reason, "make template: ") {
		t.Errorf("%+v", p)
	}
	r := start(t, h, tiny, 2, func(c *vm.FleetConfig) { c.Hosts[0].Architecture, c.Hosts[1].Architecture = "user", "user" })
	booting, _ := r.bootAll(2)
	if booting["host-0"].Cloned || booting["host-1"].Cloned {
		t.Errorf("copies of nothing: %v", booting)
	}
	r.close()
}

// A disk that fills up while hosts run fails those that write, which can be had again once there is room.
func TestDiskFillsUp(t *testing.T) {
	tiny, _ := images(t)
	root := smallDisk(t, "8m")
	h := open(t, func(c *Config) { c.WorkRoot = root })
	r := start(t, h, tiny, 1, func(c *vm.FleetConfig) { c.Hosts[0].Architecture = "user" })
	r.bootAll(1)
	ballast := fill(t, root)
	r.do(fleet.Offer(2, channelFile(t, 2, "none")).To("host-0"))
	if failed := awaitInfra(r, "host-0"); failed.Op != "write to disk" || !strings.Contains(failed.Reason, "no space left") {
		t.Errorf("%+v", failed)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	r.do(fleet.Boot{Host: "host-0", Mode: fleet.Normal})
	await(r, "host-0", func(b fleet.Beat) bool { return b.ContentVersion == 2 })
	r.close()
}
