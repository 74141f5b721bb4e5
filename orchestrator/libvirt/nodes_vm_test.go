package libvirt

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/daemontest"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/workdir"
)

// far opens a hypervisor on a daemon that is reached as if it were on another machine.
func far(t *testing.T, node, uri, store string) *Hypervisor {
	t.Helper()
	return open(t, func(c *Config) { c.Node, c.URI, c.Store, c.Reconnect = node, uri, store, 2*time.Second })
}

// A fleet on two machines, both of which are known by nothing but their daemons. One is cut off in the middle: its
// hosts are lost, the others go on as if nothing had happened.
func TestTwoMachines(t *testing.T) {
	tiny, _ := images(t)
	one, two := daemontest.Listen(t), daemontest.Listen(t)
	machines := Machines{far(t, "one", one.TCP, one.Dir+"/h/store"), far(t, "two", two.TLS, two.Dir+"/h/store")}
	for _, h := range machines {
		p := prepare(t, h, tiny, "kernel")
		if !p.Copies {
			t.Fatalf("%s: %s", h.cfg.Node, p.Reason)
		}
		m, err := h.Machine(t.Context())
		if err != nil || m.Name != h.cfg.Node || m.Total < 1<<30 || m.Available <= 0 || m.Available > m.Total || m.CPUs < 1 || m.ID == "" {
			t.Errorf("machine %+v, %v", m, err)
		}
	}
	const hosts = 4
	r := startOn(t, machines, tiny, hosts, func(c *vm.FleetConfig) {
		for i := range c.Hosts {
			c.Hosts[i].Architecture, c.Hosts[i].Node = "kernel", machines[i%2].cfg.Node
			c.Hosts[i].CrashDump = true
		}
	})
	booting, hello := r.bootAll(hosts)
	for name, b := range booting {
		if !b.Cloned {
			t.Errorf("%s is not a copy", name)
		}
	}
	// What is far away can be served, panics, and is seen to; its disk is its own.
	r.do(fleet.Offer(2, channelFile(t, 2, "field_count")).To("host-0"))
	p := await[fleet.Panic](r, "host-0")
	if p.Module != "agentk" || p.Function == "" || p.Source != "device" {
		t.Errorf("%+v", p)
	}
	r.do(fleet.Reset{Host: "host-0"})
	if b := await[fleet.Booting](r, "host-0"); b.Cloned {
		t.Error("a host that has run started as a copy")
	}
	await[fleet.Panic](r, "host-0")
	expectDump(t, r, "host-0", p)
	r.do(fleet.Offer(3, channelFile(t, 3, "none")).To("host-0"), fleet.Tell{Host: "host-0", Order: fleet.Order{ID: 1, Kind: fleet.RemoveContent}},
		fleet.Boot{Host: "host-0", Mode: fleet.Safe})
	if h := await[fleet.Hello](r, "host-0"); h.Mode != fleet.Safe || h.BootID == hello["host-0"].BootID {
		t.Errorf("%+v", h)
	}
	await[fleet.OrderDone](r, "host-0")

	two.Kill()
	lost := map[string]bool{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for len(lost) < hosts/2 {
		e, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("%v\n%s", err, r.story())
		}
		if _, failed := e.What.(fleet.InfraFailed); failed {
			lost[e.Host] = true
		}
	}
	if !lost["host-1"] || !lost["host-3"] {
		t.Errorf("lost %v, want those of the second machine", lost)
	}
	await[fleet.Beat](r, "host-2")
	r.do(fleet.Boot{Host: "host-0", Mode: fleet.Normal})
	if h := await[fleet.Hello](r, "host-0"); h.ContentVersion != tiny.Lock.ContentVersion {
		t.Errorf("%+v", h)
	}
	r.close()

	// What could not be removed when its machine was away is when that is back.
	two.Start(t)
	h := machines[1]
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := workdir.ReadOwner(h.site.Work.Path); err != nil {
		t.Errorf("nothing tells gc of the machine that was given up: %v", err)
	}
	left := Leftover{RunID: h.cfg.RunID, Dir: h.site.Work.Path, Known: true, URI: h.cfg.URI, Store: h.cfg.Store}
	two.Kill()
	if err := collect(t.Context(), left, h.site.Log); err == nil {
		t.Error("what is left on a machine that is away was collected")
	}
	if _, err := workdir.ReadOwner(h.site.Work.Path); err != nil {
		t.Errorf("nothing tells gc of it any more: %v", err)
	}
	two.Start(t)
	if err := collect(t.Context(), left, h.site.Log); err != nil {
		t.Error(err)
	}
	if err := h.site.Work.Remove(); err != nil {
		t.Error(err)
	}
	files, err := filepath.Glob(two.Dir + "/h/store/*" + h.cfg.RunID + "*")
	if err != nil || len(files) > 0 {
		t.Errorf("left on the machine: %q, %v", files, err)
	}
}

// A session daemon that somebody else has started, as root's test does as nobody, on this machine: files and sockets
// are given to its user.
func TestDaemonOfAnother(t *testing.T) {
	tiny, _ := images(t)
	h := open(t, func(c *Config) { c.URI = daemontest.Listen(t).Unix })
	if m, err := h.Machine(t.Context()); err != nil || m.Files != 0 {
		t.Errorf("machine %+v, %v: how many files another's daemon may open is not known", m, err)
	}
	if p := prepare(t, h, tiny, "user"); !p.Copies {
		t.Fatal(p.Reason)
	}
	r := start(t, h, tiny, 2, func(c *vm.FleetConfig) {
		for i := range c.Hosts {
			c.Hosts[i].Architecture = "user"
		}
	})
	r.bootAll(2)
	r.do(fleet.Reset{Host: "host-1"})
	if b := await[fleet.Booting](r, "host-1"); b.Cloned {
		t.Error("a host that has run started as a copy")
	}
	await[fleet.Hello](r, "host-1")
	r.close()
}

// The daemon of another machine is restarted under a fleet. Its hosts are heard and served as before; what nobody can
// tell of is lost to infrastructure, and none counts as hung.
func TestDaemonRestartUnderFleet(t *testing.T) {
	tiny, _ := images(t)
	d := daemontest.Listen(t)
	h := open(t, func(c *Config) { c.Node, c.URI, c.Store = "far", d.TCP, d.Dir+"/h/store" })
	if p := prepare(t, h, tiny, "kernel"); !p.Copies {
		t.Fatal(p.Reason)
	}
	const hosts = 2
	fleetOf := func(liveness time.Duration) *run {
		return start(t, h, tiny, hosts, func(c *vm.FleetConfig) {
			c.Liveness = liveness
			for i := range c.Hosts {
				c.Hosts[i].Architecture = "kernel"
			}
		})
	}
	r := fleetOf(0)
	r.bootAll(hosts)
	d.Kill()
	d.Start(t)
	for _, host := range []string{"host-0", "host-1"} {
		r.do(fleet.Offer(2, channelFile(t, 2, "none")).To(host))
		await(r, host, func(b fleet.Beat) bool { return b.ContentVersion == 2 })
		r.do(fleet.Tell{Host: host, Order: fleet.Order{ID: 2, Kind: fleet.RemoveContent}})
		await[fleet.OrderDone](r, host)
	}
	r.do(fleet.Offer(3, channelFile(t, 3, "field_count")).To("host-0"))
	if p := await[fleet.Panic](r, "host-0"); p.Module != "agentk" || p.Source != "device" {
		t.Errorf("%+v", p)
	}
	r.do(fleet.PowerOff{Host: "host-0"}, fleet.Boot{Host: "host-1", Mode: fleet.Safe})
	r.awaitFirmware("host-1")
	d.Kill() // in the middle of a boot
	d.Start(t)
	await[fleet.Hello](r, "host-1")
	r.expectNoSilence(vm.DefaultLiveness)
	r.close()

	const liveness = 10 * time.Second // far more than the time from beat to beat, however busy the machine is
	r = fleetOf(liveness)
	r.bootAll(hosts)
	r.do(fleet.Boot{Host: "host-1", Mode: fleet.Safe})
	r.awaitFirmware("host-1")
	d.Kill()
	lost := map[string]bool{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for len(lost) < hosts {
		e, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("%v\n%s", err, r.story())
		}
		r.seen = append(r.seen, e)
		if f, failed := e.What.(fleet.InfraFailed); failed {
			lost[e.Host] = true
			if f.Op != "hear host" || !strings.Contains(f.Reason, "cut: channel, console; ") {
				t.Errorf("%s: %+v", e.Host, f)
			}
		}
	}
	d.Start(t)
	r.expectNoSilence(liveness)
	r.close()
	if err := h.Close(t.Context()); err != nil { // while there is a daemon
		t.Error(err)
	}
}

// awaitFirmware waits until a host runs that is booted for the first time but as a copy.
func (r *run) awaitFirmware(host string) {
	r.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !strings.Contains(r.console(host), "SeaBIOS") {
		select {
		case <-again.C:
		case <-r.t.Context().Done():
			r.t.Fatalf("the firmware of %s is silent:\n%s", host, r.story())
		}
	}
}

// expectNoSilence checks that no host was silent for so long that it would count as hung, nor said not to boot.
func (r *run) expectNoSilence(liveness time.Duration) {
	r.t.Helper()
	last := map[string]time.Duration{}
	for _, e := range r.seen {
		before, spoke := last[e.Host]
		switch e.What.(type) {
		case fleet.BootFailed:
			r.t.Errorf("%v", e)
		case fleet.Hello, fleet.Beat:
			last[e.Host] = e.At
		case fleet.Booting, fleet.Panic, fleet.InfraFailed, fleet.PoweredOff:
			delete(last, e.Host)
		}
		if spoke && e.At-before > liveness {
			r.t.Errorf("%s was silent from %v to %v", e.Host, before, e)
		}
	}
}
