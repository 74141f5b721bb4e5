package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"golang.org/x/sys/unix"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/fleet/fleettest"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
	"github.com/fleetfall/fleetfall/vmimages"
)

func TestLifeOfAFleet(t *testing.T) {
	_, hostile := images(t)
	h := open(t)
	h.site.CPUs = 2
	r := start(t, h, hostile, 4)
	for i := range 4 {
		r.do(fleet.Boot{Host: fmt.Sprintf("host-%d", i), Mode: fleet.Normal})
	}
	first := make(map[string]string)
	for len(first) < 4 {
		e, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r.seen = append(r.seen, e)
		if hello, ok := e.What.(fleet.Hello); ok {
			first[e.Host] = hello.BootID
			if hello.Mode != fleet.Normal || hello.Architecture != "none" {
				t.Errorf("%v", e)
			}
		}
	}
	most := 0
	for _, e := range r.seen { // at no time more than CPUs hosts between Booting and Hello
		switch e.What.(type) {
		case fleet.Booting:
			most++
		case fleet.Hello:
			most--
		}
		if most > 2 {
			t.Errorf("%d hosts boot at a time, want at most 2:\n%s", most, r.story())
		}
	}
	r.do(fleet.Offer(7, []byte("panic")).To("host-1"))
	if got := await[fleet.Fetched](r, "host-1"); got.Version != 7 {
		t.Errorf("fetched %d", got.Version)
	}
	p := await[fleet.Panic](r, "host-1")
	if p.Source != "device" || p.Type != "sysrq" || p.Title != "crash by sysrq" || !strings.Contains(p.Excerpt, "sysrq triggered crash") {
		t.Errorf("panic %+v", p)
	}
	r.do(fleet.Reset{Host: "host-1"})
	await[fleet.Booting](r, "host-1")
	if again := await[fleet.Hello](r, "host-1"); again.BootID == first["host-1"] {
		t.Error("the same boot ID after a reset")
	}
	await[fleet.Panic](r, "host-1") // it is still served the same
	r.do(fleet.Offer(8, []byte("nothing")).To("host-1"), fleet.Tell{Host: "host-1", Order: fleet.Order{ID: 1, Kind: fleet.RemoveContent}}, fleet.Boot{Host: "host-1", Mode: fleet.Safe})
	if hello := await[fleet.Hello](r, "host-1"); hello.Mode != fleet.Safe {
		t.Errorf("booted into %s", hello.Mode)
	}
	if done := await[fleet.OrderDone](r, "host-1"); done.Order != fleet.RemoveContent || done.Error != "" {
		t.Errorf("%+v", done)
	}
	r.do(fleet.PowerOff{Host: "host-0"})
	if off := await[fleet.PoweredOff](r, "host-0"); off.Reason != "requested" {
		t.Errorf("%+v", off)
	}
	r.After(time.Millisecond, "tag")
	if fired := await[fleet.TimerFired](r, ""); fired.Tag != "tag" {
		t.Errorf("%+v", fired)
	}
	if n := count[fleet.Panic](r, "host-1"); n != 2 {
		t.Errorf("%d panics in two crashes:\n%s", n, r.story())
	}
	if beats := count[fleet.Beat](r, "host-3"); beats == 0 {
		t.Error("no beats")
	}
	facts := h.Facts()
	if !facts.Private || facts.Libvirt == "" || facts.QEMU == "" || !slices.Contains(facts.CommandLine, "-sandbox") {
		t.Errorf("facts %+v", facts)
	}
	for _, device := range facts.CommandLine { // no way to any network
		if strings.Contains(device, "netdev") || strings.Contains(device, "nic") && !strings.Contains(device, "panic") {
			t.Errorf("a network device: %s", device)
		}
	}
	r.close()
	if _, err := r.Next(t.Context()); !errors.Is(err, fleet.ErrClosed) {
		t.Errorf("Next of a closed fleet: %v", err)
	}
	if err := r.Do(t.Context(), fleet.Reset{Host: "host-0"}); !errors.Is(err, fleet.ErrClosed) {
		t.Errorf("Do of a closed fleet: %v", err)
	}
}

// One guest does in turn what no shipped agent would.
func TestHostileGuest(t *testing.T) {
	_, hostile := images(t)
	h := open(t)
	r := start(t, h, hostile, 1)
	const host = "host-0"
	version := uint64(0)
	tell := func(what string) {
		version++
		r.do(fleet.Offer(1000+version, []byte(what)).To(host))
	}
	r.do(fleet.Boot{Host: host, Mode: fleet.Normal})
	await[fleet.Hello](r, host)

	tell("garbage")
	await[fleet.Garbage](r, host)
	await[fleet.Beat](r, host)

	tell("fake panic")
	await(r, host, func(l fleet.GuestLog) bool { return strings.Contains(l.Text, "lives on") })
	if n := count[fleet.Panic](r, host); n != 0 {
		t.Errorf("a forged panic was counted:\n%s", r.story())
	}

	tell("reboot")
	await[fleet.Booting](r, host)
	tell("nothing")
	await[fleet.Hello](r, host)

	tell("exit")
	if p := await[fleet.Panic](r, host); p.Source != "device" || p.Type != "init_killed" {
		t.Errorf("%+v", p)
	}
	tell("power off")
	r.do(fleet.Reset{Host: host})
	if off := await[fleet.PoweredOff](r, host); off.Reason != "guest" {
		t.Errorf("%+v", off)
	}
	tell("nothing")
	r.do(fleet.Boot{Host: host, Mode: fleet.Normal})
	await[fleet.Hello](r, host)

	qemus, err := qemu.OfRun("/nowhere", h.cfg.RunID)
	if err != nil || len(qemus) != 1 {
		t.Fatalf("QEMUs of this run: %v, %v", qemus, err)
	}
	if err := unix.Kill(qemus[0].PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if failed := await[fleet.InfraFailed](r, host); failed.Op != "run domain" {
		t.Errorf("%+v", failed)
	}
	r.do(fleet.Boot{Host: host, Mode: fleet.Normal}) // and it can be had again
	await[fleet.Hello](r, host)
	if boots := strings.Count(r.console(host), "[fleetfall: power on"); boots != 5 {
		t.Errorf("%d boots in the console log, want 5", boots)
	}
	r.close()
}

func TestNoHelloInTime(t *testing.T) {
	_, hostile := images(t)
	r := start(t, open(t), hostile, 1, func(c *vm.FleetConfig) { c.HelloTimeout = 50 * time.Millisecond })
	r.do(fleet.Boot{Host: "host-0", Mode: fleet.Normal})
	if failed := await[fleet.BootFailed](r, "host-0"); failed.Reason != "no hello within 50ms" {
		t.Errorf("%+v", failed)
	}
	r.do(fleet.PowerOff{Host: "host-0"})
	await[fleet.PoweredOff](r, "host-0")
	r.close()
}

// Close ends a fleet that is in the middle of everything, while Next blocks.
func TestCloseWhileBooting(t *testing.T) {
	_, hostile := images(t)
	r := start(t, open(t), hostile, 4)
	for i := range 4 {
		r.do(fleet.Boot{Host: fmt.Sprintf("host-%d", i), Mode: fleet.Normal})
	}
	r.After(time.Hour, "never")
	await[fleet.Booting](r, "host-0")
	next := make(chan error)
	go func() {
		for {
			if _, err := r.Next(context.Background()); err != nil {
				next <- err
				return
			}
		}
	}()
	r.close()
	if err := <-next; !errors.Is(err, fleet.ErrClosed) {
		t.Errorf("Next returned %v", err)
	}
	r.close()
}

// A VM that is being made when its fleet is closed has ended before its making has.
func TestCloseWhileCreating(t *testing.T) {
	_, hostile := images(t)
	h := open(t)
	name := qemu.DomainPrefix(h.cfg.RunID) + "1-host-0"
	disk, err := h.site.Files.Overlay(t.Context(), name+template.DiskSuffix, "raw", hostile.Disk, hostile.DiskSize)
	if err != nil {
		t.Fatal(err)
	}
	d := vm.KindOf(likeness(hostile, "none"), fleet.WallClock, fleet.Normal).Guest(hostile, TCG).Domain(name, name, disk)
	closed, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.site.CreateMachine(closed, d, nil, vm.Listener{Hear: func(*vm.Machine, vm.News) {}}); !errors.Is(err, context.Canceled) {
		t.Errorf("it is made: %v", err)
	}
	err = h.site.Line.Call(t.Context(), "look for it", connect.CallTime, func(l *golibvirt.Libvirt) error {
		_, err := l.DomainLookupByName(name)
		return err
	})
	if !connect.IsGone(err) {
		t.Errorf("it is left: %v", err)
	}
	words, err := os.ReadFile(filepath.Join(h.site.Work.Path, "h/libvirt/qemu/log", name+".log"))
	if err != nil || !strings.Contains(string(words), "-name guest="+name+",") {
		t.Errorf("there was no QEMU: %v", err)
	}
}

// A daemon that ends is started again, and what happened meanwhile is seen: VMs outlive it.
func TestDaemonRestarts(t *testing.T) {
	_, hostile := images(t)
	h := open(t)
	r := start(t, h, hostile, 2)
	for i := range 2 {
		r.do(fleet.Boot{Host: fmt.Sprintf("host-%d", i), Mode: fleet.Normal})
		await[fleet.Hello](r, fmt.Sprintf("host-%d", i))
	}
	if err := unix.Kill(h.daemon.Process.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.do(fleet.Offer(7, []byte("panic")).To("host-0"))
	if p := await[fleet.Panic](r, "host-0"); p.Type != "sysrq" {
		t.Errorf("%+v", p)
	}
	await[fleet.Beat](r, "host-1")
	r.do(fleet.Reset{Host: "host-1"})
	await[fleet.Booting](r, "host-1")
	await[fleet.Hello](r, "host-1")
	r.close()
}

// A daemon that does not come back is an infrastructure failure.
func TestDaemonLost(t *testing.T) {
	_, hostile := images(t)
	h := open(t, func(c *Config) { c.Reconnect = 2 * time.Second })
	r := start(t, h, hostile, 1)
	r.do(fleet.Boot{Host: "host-0", Mode: fleet.Normal})
	await[fleet.Hello](r, "host-0")
	// It cannot be started again: its settings are gone.
	if err := os.RemoveAll(filepath.Join(h.site.Work.Path, "c")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(h.daemon.Process.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if failed := await[fleet.InfraFailed](r, ""); failed.Op != "watch domains" || !strings.Contains(failed.Reason, "did not come back") {
		t.Errorf("%+v", failed)
	}
	// That the VM is gone as well is for the hypervisor's Close, and checked there.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		t.Error(err)
	}
}

func TestProbe(t *testing.T) {
	tiny, _ := images(t)
	cache := t.TempDir()
	h := open(t, func(c *Config) { c.Cache = cache })
	got, err := h.Probe(t.Context(), tiny)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", got)
	if got.Name != KVM && got.Name != TCG || got.Reason == "" || h.Facts().Accelerator != got {
		t.Errorf("accelerator %+v, facts %+v", got, h.Facts())
	}
	again, err := h.Probe(t.Context(), tiny)
	if err != nil || again.Name != got.Name {
		t.Errorf("again %+v, %v", again, err)
	}
}

// channelFile is an update of this version with a fault in it, as the vendor ships it.
func channelFile(t *testing.T, version uint64, name string) []byte {
	t.Helper()
	fault, err := content.FindFault(name)
	if err != nil {
		t.Fatal(err)
	}
	_, key := content.TestVendorKey()
	file, err := fault.Update(version, 1, nil, key)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestConform runs the conformance suite on each clock.
func TestConform(t *testing.T) {
	tiny, _ := images(t)
	h := open(t)
	for _, clock := range []fleet.Clock{fleet.WallClock, fleet.VirtualClock} {
		t.Run(string(clock), func(t *testing.T) {
			fleettest.Conform(t, fleettest.Backend{
				Shipped: tiny.Lock.ContentVersion,
				New: func(t *testing.T, specs []fleet.HostSpec) fleet.Fleet {
					f, err := h.NewFleet(vm.FleetConfig{
						Cell: t.Name(), Clock: clock, Hosts: specs, Images: map[string]vmimages.Image{"tiny": tiny}, ConsoleDir: t.TempDir(),
					})
					if err != nil {
						t.Fatal(err)
					}
					return f
				},
				Content: func(t *testing.T, version uint64, deadly bool) []byte {
					if deadly {
						return channelFile(t, version, "field_count")
					}
					return channelFile(t, version, "none")
				},
				Patience: 90 * time.Second,
			})
		})
	}
}

// The image as shipped, and what the testbed is for: signed content that takes the kernel agent's host down.
func TestTinyImage(t *testing.T) {
	tiny, _ := images(t)
	r := start(t, open(t), tiny, 2, func(c *vm.FleetConfig) {
		c.Hosts[0].Architecture, c.Hosts[1].Architecture = "kernel", "user"
	})
	for i := range 2 {
		host := fmt.Sprintf("host-%d", i)
		r.do(fleet.Boot{Host: host, Mode: fleet.Normal})
		if hello := await[fleet.Hello](r, host); hello.Kernel != tiny.KernelRelease {
			t.Errorf("kernel %s, want %s", hello.Kernel, tiny.KernelRelease)
		}
		await(r, host, func(b fleet.Beat) bool { return b.AgentState == "running" && b.WorkUnits > 0 })
	}
	file := channelFile(t, 2, "field_count")
	r.do(fleet.Offer(2, file).To("host-0"), fleet.Offer(2, file).To("host-1"))
	p := await[fleet.Panic](r, "host-0")
	if p.Source != "device" || p.Module != "agentk" || p.Function == "" {
		t.Errorf("%+v", p)
	}
	if dir := os.Getenv("FLEETFALL_TEST_CONSOLES"); dir != "" { // for new fixtures of package console
		if err := os.WriteFile(filepath.Join(dir, "agentk.txt"), []byte(r.console("host-0")), 0o644); err != nil {
			t.Error(err)
		}
	}
	if exit := await[fleet.AgentExit](r, "host-1"); exit.Signal != int(unix.SIGSEGV) {
		t.Errorf("%+v", exit)
	}
	r.close()
	if n := count[fleet.Panic](r, "host-1"); n != 0 {
		t.Errorf("the user agent's host panicked %d times", n)
	}
}
