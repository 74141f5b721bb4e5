package libvirt

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// TestCrashDump on either clock: of the first panic alone, and whatever comes in its way is said and no failure.
func TestCrashDump(t *testing.T) {
	tiny, _ := images(t)
	for _, clock := range []fleet.Clock{fleet.WallClock, fleet.VirtualClock} {
		t.Run(string(clock), func(t *testing.T) {
			h := open(t)
			if clock == fleet.VirtualClock {
				prepareVirtual(t, h, tiny)
			}
			r := start(t, h, tiny, 3, func(c *vm.FleetConfig) {
				c.Clock = clock
				for i := range c.Hosts {
					c.Hosts[i].Architecture, c.Hosts[i].CrashDump = "kernel", true
				}
			})
			inTheWay := filepath.Join(r.consoles, "host-1", vm.DumpFile, "in the way")
			if err := os.MkdirAll(inTheWay, 0o755); err != nil {
				t.Fatal(err)
			}
			r.bootAll(3)
			var first fleet.Panic
			deadly := channelFile(t, 2, "field_count")
			for i := range 2 {
				host := fmt.Sprintf("host-%d", i)
				r.do(fleet.Offer(2, deadly).To(host))
				p := await[fleet.Panic](r, host)
				fell := r.seen[len(r.seen)-1].At
				d := await[fleet.Dumped](r, host)
				if inTheWay := i == 1; inTheWay != (d.File == "") || inTheWay != (d.Error != "") {
					t.Errorf("%s: %+v", host, d)
				}
				if told := r.seen[len(r.seen)-1].At; clock == fleet.VirtualClock && told != fell {
					t.Errorf("%s fell at %v, and its dump is told of at %v", host, fell, told)
				}
				if i == 0 {
					first = p
				}
			}
			for i := range 2 {
				host := fmt.Sprintf("host-%d", i)
				r.do(fleet.Reset{Host: host})
				await[fleet.Booting](r, host)
				await[fleet.Panic](r, host)
			}
			// Closing waits for what is not dumped yet.
			r.do(fleet.Offer(2, deadly).To("host-2"))
			last := await[fleet.Panic](r, "host-2")
			for i, want := range []int{1, 1, 0} { // also after a second panic
				if n := count[fleet.Dumped](r, fmt.Sprintf("host-%d", i)); n != want {
					t.Errorf("host-%d was dumped %d times, want %d:\n%s", i, n, want, r.story())
				}
			}
			r.close()
			expectDump(t, r, "host-0", first)
			expectDump(t, r, "host-2", last)
		})
	}
}

// expectDump reads from the kernel's log in a host's dump what its console says of the agent's crash, and what it
// does not say: a kernel that is quiet keeps how it booted to itself.
func expectDump(t *testing.T, r *run, host string, p fleet.Panic) {
	t.Helper()
	if p.Function == "" {
		t.Errorf("%s: the panic has no cause: %+v", host, p)
	}
	if info, err := os.Stat(filepath.Join(r.consoles, host, vm.DumpFile)); err != nil || info.Size() < 96<<20 {
		t.Errorf("%s: dump %v, %v", host, info, err)
	}
	text, err := os.ReadFile(filepath.Join(r.consoles, host, vm.KernelLogFile))
	if err != nil {
		t.Error(err)
		return
	}
	console := r.console(host)
	for _, words := range []string{"RIP: 0010:" + p.Function, "Kernel panic - not syncing: Fatal exception"} {
		if !strings.Contains(string(text), words) || !strings.Contains(console, words) {
			t.Errorf("%s: the kernel's log or the console does not say %q", host, words)
		}
	}
	if first := "Linux version "; !strings.Contains(string(text), first) || strings.Contains(console, first) {
		t.Errorf("%s: %q should be in the kernel's log alone", host, first)
	}
	if n := strings.Count(string(text), "Kernel panic"); n != 1 {
		t.Errorf("%s: %d panics in the kernel's log", host, n)
	}
}
