package libvirt

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/console"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/panics"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/virtual"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
	"github.com/fleetfall/fleetfall/vmimages"
)

// A poll is what a host's updater was given, and when.
type poll struct {
	host    string
	version uint64
	at      time.Duration
}

// gated runs hosts on the virtual clock that are served deadly content at once, and harmless content as soon as the
// first of them has crashed. It returns the first crash, and each host's first poll that gave it anything.
func gated(t *testing.T, h *Hypervisor, image vmimages.Image, seed uint64, hosts int) (crash time.Duration, polls []poll) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cfg := vm.FleetConfig{Cell: t.Name(), Clock: fleet.VirtualClock, Seed: seed, Images: map[string]vmimages.Image{image.Name: image}}
	for i := range hosts {
		cfg.Hosts = append(cfg.Hosts, fleet.HostSpec{
			Name: fmt.Sprintf("host-%d", i), Architecture: "kernel", Image: image.Name, MemoryBytes: 96 << 20,
			Tempo: fleet.Tempo{Beat: time.Second, Poll: 3 * time.Second, Work: 500 * time.Millisecond, Threat: time.Second},
		})
	}
	f, err := h.NewFleet(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	all := func(action func(host string) fleet.Action) {
		for _, s := range cfg.Hosts {
			if err := f.Do(ctx, action(s.Name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	serve := func(version uint64, fault string) {
		file := channelFile(t, version, fault)
		all(func(host string) fleet.Action { return fleet.Offer(version, file).To(host) })
	}
	all(func(host string) fleet.Action { return fleet.Boot{Host: host, Mode: fleet.Normal} })
	up, last := 0, time.Duration(0)
	for len(polls) < hosts {
		e, err := f.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if e.At < last {
			t.Errorf("%v comes after an event at %v", e, last)
		}
		last = e.At
		switch w := e.What.(type) {
		case fleet.Hello:
			if up++; up == hosts {
				serve(2, "field_count")
			}
		case fleet.Panic:
			if crash == 0 {
				crash = e.At
				serve(3, "none")
			}
		case fleet.Fetched:
			if !slices.ContainsFunc(polls, func(p poll) bool { return p.host == e.Host }) {
				polls = append(polls, poll{e.Host, w.Version, e.At})
			}
		case fleet.InfraFailed, fleet.BootFailed:
			t.Fatalf("%v", e)
		}
	}
	slices.SortFunc(polls, func(a, b poll) int { return cmp.Compare(a.host, b.host) })
	return crash, polls
}

// TestCauseBeforeEffect: a gate that halts a rollout at the first crash stops exactly those hosts whose poll lies
// later than the crash and the lookahead.
func TestCauseBeforeEffect(t *testing.T) {
	tiny, _ := images(t)
	h := open(t)
	prepareVirtual(t, h, tiny)
	hit, spared := 0, 0
	for seed := range uint64(4) {
		crash, polls := gated(t, h, tiny, seed, 4)
		for _, p := range polls {
			want := uint64(2)
			if p.at >= crash+virtual.Lookahead {
				want = 3
				spared++
			} else {
				hit++
			}
			if p.version != want {
				t.Errorf("seed %d: %s polled %v after the first crash and got version %d, want %d", seed, p.host, p.at-crash, p.version, want)
			}
		}
		t.Logf("seed %d: crash at %v, polls %v", seed, crash, polls)
	}
	if hit == 0 || spared == 0 {
		t.Errorf("%d polls before the gate had closed and %d after: nothing was tested", hit, spared)
	}
}

// TestTheSameTwice runs the same seed on an idle machine and on a busy one.
func TestTheSameTwice(t *testing.T) {
	tiny, _ := images(t)
	h := open(t)
	prepareVirtual(t, h, tiny)
	crash, polls := gated(t, h, tiny, 7, 3)
	ctx, idle := context.WithCancel(t.Context())
	defer idle()
	for range h.CPUs() {
		go func() {
			for ctx.Err() == nil {
			}
		}()
	}
	crashAgain, pollsAgain := gated(t, h, tiny, 7, 3)
	near := func(a, b time.Duration) bool { return (a - b).Abs() <= Tolerance }
	if !near(crash, crashAgain) {
		t.Errorf("the first crash was at %v, on a busy machine at %v", crash, crashAgain)
	}
	if !slices.EqualFunc(polls, pollsAgain, func(a, b poll) bool { return a.host == b.host && a.version == b.version && near(a.at, b.at) }) {
		t.Errorf("polls %v, on a busy machine %v", polls, pollsAgain)
	}
	t.Logf("crash %v and %v, polls %v and %v", crash, crashAgain, polls, pollsAgain)
}

// One guest does in turn what no shipped agent would. The fleet's clock goes on, and what is told of the guest is
// bounded and true.
func TestHostileGuestOnTheVirtualClock(t *testing.T) {
	_, hostile := images(t)
	r := start(t, open(t), hostile, 1, func(c *vm.FleetConfig) { c.Clock = fleet.VirtualClock })
	const host = "host-0"
	version := uint64(0)
	tell := func(what string) {
		version++
		r.do(fleet.Offer(1000+version, []byte(what)).To(host))
	}
	boot := func() {
		r.do(fleet.Boot{Host: host, Mode: fleet.Normal})
		await[fleet.Hello](r, host)
	}
	boot()
	tell("garbage")
	await[fleet.Garbage](r, host)
	await[fleet.Beat](r, host)

	tell("fake panic")
	await(r, host, func(l fleet.GuestLog) bool { return l == panics.LivesOn })
	tell("panic")
	if p := await[fleet.Panic](r, host); p.Source != "device" || p.Type != console.TypeSysrq {
		t.Errorf("%+v", p)
	}
	// A panic that is printed with a time to come is dated by what QEMU's clock allows or, once the guest has set
	// that, by its last request.
	for _, what := range []string{"panic of tomorrow", "panic of tomorrow, by its clock too"} {
		boot()
		tell(what)
		fetched := awaitAt(r, host, func(f fleet.Fetched) bool { return f.Version == 1000+version })
		panicked := awaitAt[fleet.Panic](r, host)
		t.Logf("%s: dated %v after its last request", what, panicked-fetched)
		if after := panicked - fetched; after > time.Minute || after > time.Second && strings.HasSuffix(what, "too") {
			t.Errorf("%s: dated %v after its last request", what, after)
		}
	}
	const while = time.Second
	for _, what := range []string{"ring with junk", "stop the clock"} {
		boot()
		tell(what)
		await(r, host, func(f fleet.Fetched) bool { return f.Version == 1000+version })
		before := count[fleet.Garbage](r, host) + count[fleet.GuestLog](r, host)
		r.After(while, what)
		begun := time.Now()
		await(r, "", func(f fleet.TimerFired) bool { return f.Tag == what })
		told := count[fleet.Garbage](r, host) + count[fleet.GuestLog](r, host) - before
		t.Logf("%s: %v took %v, and %d events", what, while, time.Since(begun), told)
		if told == 0 {
			t.Errorf("%s: nothing is told of it", what)
		}
		if what == "ring with junk" && told > int(while/guestlink.GarbageEvery)+1 {
			t.Errorf("%s: %d events in %v", what, told, while)
		}
	}
	r.close()
}
