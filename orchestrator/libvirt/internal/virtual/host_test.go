package virtual

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/console"
	"github.com/fleetfall/fleetfall/orchestrator/cosim"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/inbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/mailbox"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/storage"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/workdir"
)

// A desk is a fleet on the virtual clock without VMs: the test says what is heard of each, in which order.
type desk struct {
	*Fleet
	t *testing.T
}

// stoodStillAt is what the clock of each machine shows that has panicked.
const stoodStillAt = 2 * time.Second

// newDesk has hosts that were switched on at 0, and whose guests run.
func newDesk(t *testing.T, hosts ...string) *desk {
	t.Helper()
	f := &Fleet{
		site: &vm.Site{CPUs: len(hosts)}, hosts: map[string]*host{}, running: map[*vm.Machine]*host{}, inbox: inbox.New[fleetMessage](), clock: cosim.New[happening](Lookahead),
		ctx: t.Context(), limit: vm.DefaultHello,
	}
	f.date = func(m *vm.Machine) { f.inbox.Put(stoodAt{m, stoodStillAt, nil}) }
	root, err := os.MkdirTemp("/var/tmp", "fft-")
	if err != nil {
		t.Fatal(err)
	}
	w, err := workdir.Create(workdir.Options{Root: root, RunID: "desk0001", URI: "qemu:///session"}) // a daemon that is not ours
	if err != nil {
		t.Fatal(err)
	}
	files := storage.NewLocal(w, account.Account{})
	t.Cleanup(func() {
		if err := w.Remove(); err != nil {
			t.Error(err)
		}
	})
	for i, name := range hosts {
		h, err := newHost(f, 0, fleet.HostSpec{Name: name}, name)
		if err != nil {
			t.Fatal(err)
		}
		f.hosts[name] = h
		h.boot(0, fleet.Normal)
		slot := f.site.TakeSlot(t.Context())
		box, _, err := mailbox.New(files, account.Account{}, name, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := box.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		f.hear(created{h, h.boots, &vm.Machine{
			Domain:  golibvirt.Domain{UUID: golibvirt.UUID{byte(i)}},
			Mailbox: box,
		}, slot})
	}
	for _, name := range hosts {
		f.clock.Reached(name, time.Millisecond)
	}
	d := &desk{f, t}
	if got := d.told(); len(got) != len(hosts) {
		t.Fatalf("%q at the start", got)
	}
	return d
}

// asks has a host's guest ring at a time of its clock.
func (d *desk) asks(host string, at time.Duration, r protocol.Request) {
	d.t.Helper()
	r.TSC = uint64(at)
	if r.Boot == "" {
		r.Boot = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
	}
	line, err := protocol.AppendLine(nil, r)
	if err != nil {
		d.t.Fatal(err)
	}
	d.rings(host, string(line))
}

func (d *desk) rings(host, line string) {
	d.hear(heard{d.hosts[host].machine, vm.Rang{Line: []byte(line)}})
}

// told is what happens then, and when.
func (d *desk) told() (told []string) {
	for e, ok := d.advance(); ok; e, ok = d.advance() {
		told = append(told, fmt.Sprintf("%v %s %s", e.At, e.Host, e.What.Kind()))
	}
	return told
}

var hello = protocol.Request{Hello: &protocol.Hello{Protocol: protocol.Version, Mode: "normal"}}

// A guest that ends itself does so after all that it has said, whatever the fleet's clock showed when libvirt told of
// it.
func TestGuestEndsAfterItsWords(t *testing.T) {
	for ending, e := range map[string]connect.Event{
		"booting":     {Reboot: true},
		"powered_off": {Kind: golibvirt.DomainEventStopped, Detail: int32(golibvirt.DomainEventStoppedShutdown)},
	} {
		d := newDesk(t, "a", "b")
		d.asks("a", 50*time.Millisecond, hello)
		if got := d.told(); len(got) > 0 {
			t.Errorf("%q, and b may yet come before", got)
		}
		old := d.hosts["a"].machine
		d.hear(heard{old, vm.DomainEvent{Event: e}})
		d.hear(heard{old, vm.Rang{Line: []byte("the next boot of a machine that is to be taken away")}})
		d.clock.Reached("b", time.Second)
		if got, want := d.told(), []string{"50ms a hello", "50ms a " + ending}; !slices.Equal(got, want) {
			t.Errorf("%s: told %q, want %q", ending, got, want)
		}
	}
}

// How much of a guest is told is bounded by its own clock, and a guest of whom it was too much is heard again later.
func TestGuestThatSaysTooMuch(t *testing.T) {
	d := newDesk(t, "a")
	d.asks("a", 50*time.Millisecond, hello)
	d.told()
	const rings, size = 5000, 1000
	chatter := protocol.Request{Log: &protocol.Log{Text: strings.Repeat("x", size)}}
	count := func(kind string, told []string) (n int) {
		for _, e := range told {
			if strings.HasSuffix(e, " a "+kind) {
				n++
			}
		}
		return n
	}
	var told []string
	for range rings {
		d.asks("a", 50*time.Millisecond, chatter)
		d.rings("a", "junk")
		told = append(told, d.told()...)
	}
	if n := count("guest_log", told); n == 0 || n > guestlink.GuestBurst/size {
		t.Errorf("%d words of a guest were told at once", n)
	}
	if n := count("garbage", told); n != 1 {
		t.Errorf("junk was told %d times at once", n)
	}
	d.asks("a", time.Minute, chatter)
	told = d.told()
	if count("guest_log", told) != 1 || count("garbage", told) != 1 {
		t.Errorf("a minute later: %q", told)
	}
	d.asks("a", 2*time.Minute, chatter)
	if told = d.told(); count("garbage", told) != 0 {
		t.Errorf("junk was told of twice: %q", told)
	}
}

// A guest may ring whenever its clock is read. What was read holds all the same, whatever time it asks at.
func TestClockIsReadWhileItsGuestAsks(t *testing.T) {
	d := newDesk(t, "a")
	d.asks("a", 50*time.Millisecond, hello)
	d.told()
	d.After(3*time.Second, "deadline")
	d.rings("a", "junk")
	d.hear(sighted{m: d.hosts["a"].machine, time: 5 * time.Second})
	if got, want := d.told(), []string{"50ms a garbage", "3.05s  timer"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// A panic is not before the guest's last request and not after its machine stood still, whatever it prints of the
// time; by a hardware clock that the guest has set nothing is dated.
func TestWhenAPanicWas(t *testing.T) {
	for name, c := range map[string]struct {
		stamp string
		set   bool
		want  time.Duration
	}{
		"as it is":                  {"    1.250000", false, 1250 * time.Millisecond},
		"before its last request":   {"    0.010000", false, 50 * time.Millisecond},
		"to come":                   {"86400.000000", false, stoodStillAt},
		"to come, and so its clock": {"86400.000000", true, 50 * time.Millisecond},
	} {
		d := newDesk(t, "a")
		a := d.hosts["a"]
		d.asks("a", 50*time.Millisecond, hello)
		d.told()
		if c.set {
			d.hear(heard{a.machine, vm.DomainEvent{Event: connect.Event{Clock: true}}})
		}
		reports, _, err := a.log.Take([]byte("[" + c.stamp + "] Kernel panic - not syncing: sysrq triggered crash\n"))
		if err != nil || len(reports) != 1 {
			t.Fatal(reports, err)
		}
		d.hear(heard{a.machine, vm.Crashed{Report: reports[0]}})
		d.hear(heard{a.machine, vm.DomainEvent{Event: connect.Event{Kind: golibvirt.DomainEventCrashed}}})
		if e, ok := d.advance(); !ok || e.What.Kind() != "panic" || e.At != c.want {
			t.Errorf("%s: %v %v, want a panic at %v", name, ok, e, c.want)
		}
	}
}

// What a guest's console shows of a panic is of a guest that asks no more.
func TestForgedPanicOnTheVirtualClock(t *testing.T) {
	const forged = "[99999.000000] Kernel panic - not syncing: made up\n"
	for name, shown := range map[string]string{
		"whole": forged, // told as soon as it is there
		"open":  "[99999.000000] Kernel panic - not syncing: made up\n[99999.000000] CPU: 0 PID: 1 Comm: init Not tainted\n[99999.000000] Call Trace:\n",
	} {
		d := newDesk(t, "a")
		a := d.hosts["a"]
		show := func(text string) {
			reports, _, err := a.log.Take([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range reports {
				d.hear(heard{a.machine, vm.Crashed{Report: r}})
			}
		}
		d.asks("a", 50*time.Millisecond, hello)
		d.told()
		show(shown)
		d.asks("a", 60*time.Millisecond, protocol.Request{Log: &protocol.Log{}})
		if got, want := d.told(), []string{"60ms a guest_log", "60ms a guest_log"}; !slices.Equal(got, want) {
			t.Errorf("%s: told %q, want %q", name, got, want)
		}
		show("[    0.070000] Kernel panic - not syncing: sysrq triggered crash\n")
		d.hear(heard{a.machine, vm.DomainEvent{Event: connect.Event{Kind: golibvirt.DomainEventCrashed}}})
		e, ok := d.advance()
		if p, is := e.What.(fleet.Panic); !ok || !is || p.Type != console.TypeSysrq || e.At > time.Second {
			t.Errorf("%s: %v", name, e)
		}
	}
}

// TestSlotIsGivenBack by a guest that has booted and asks, by a host whose power is cut, and by one of which nobody
// has heard when its fleet is closed: other fleets of the site wait for it.
func TestSlotIsGivenBack(t *testing.T) {
	d := newDesk(t, "asks", "cut")
	taken := func() int { return len(d.site.Slots()) }
	if taken() != 2 {
		t.Fatalf("%d slots are taken by two hosts that boot", taken())
	}
	d.hosts["asks"].rang(vm.Rang{Number: 1, Line: []byte("no request")})
	if taken() != 1 {
		t.Errorf("%d slots are taken once one of two has asked", taken())
	}
	d.hosts["asks"].powerOff()
	d.hosts["cut"].powerOff()
	if taken() != 0 {
		t.Errorf("%d slots are taken by hosts that are off", taken())
	}
	unheard := d.hosts["cut"]
	unheard.booting = d.site.TakeSlot(t.Context())
	closed, cancel := context.WithCancel(t.Context())
	cancel()
	unheard.work(closed)
	if taken() != 0 {
		t.Errorf("%d slots are taken by a fleet that is closed", taken())
	}
}
