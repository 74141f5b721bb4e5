package libvirt

import (
	"fmt"
	"slices"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/cosim"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// A desk is a fleet on the virtual clock without VMs: the test says what is heard of each, in which order.
type desk struct {
	*virtualFleet
	t *testing.T
}

// newDesk has hosts that were switched on at 0, and whose guests run.
func newDesk(t *testing.T, hosts ...string) *desk {
	t.Helper()
	f := &virtualFleet{
		hypervisor: &Hypervisor{}, hosts: map[string]*virtualHost{}, inbox: newInbox[any](), clock: cosim.New[happening](Lookahead),
		ctx: t.Context(), limit: defaultHello, slots: make(chan struct{}, len(hosts)),
	}
	for i, name := range hosts {
		h, err := newVirtualHost(f, fleet.HostSpec{Name: name}, name)
		if err != nil {
			t.Fatal(err)
		}
		f.hosts[name] = h
		h.boot(0, fleet.Normal)
		f.slots <- struct{}{}
		f.hear(created{h, h.boots, &machine{
			domain:  golibvirt.Domain{UUID: golibvirt.UUID{byte(i)}},
			mailbox: &mailbox{memory: make(protocol.Mailbox, protocol.MailboxSize), bell: &bell{}},
		}})
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
		r.Boot = bootA
	}
	line, err := protocol.AppendLine(nil, r)
	if err != nil {
		d.t.Fatal(err)
	}
	d.rings(host, string(line))
}

func (d *desk) rings(host, line string) {
	d.hear(rang{m: d.hosts[host].machine, line: []byte(line)})
}

// told is what happens then, and when.
func (d *desk) told() (told []string) {
	for e, ok := d.advance(); ok; e, ok = d.advance() {
		told = append(told, fmt.Sprintf("%v %s %s", e.At, e.Host, e.What.Kind()))
	}
	return told
}

var hello = protocol.Request{Hello: &protocol.Hello{Mode: "normal"}}

// A guest that ends itself does so after all that it has said, whatever the fleet's clock showed when libvirt told of it.
func TestGuestEndsAfterItsWords(t *testing.T) {
	for ending, e := range map[string]domainEvent{
		"booting":     {reboot: true},
		"powered_off": {kind: golibvirt.DomainEventStopped, detail: int32(golibvirt.DomainEventStoppedShutdown)},
	} {
		d := newDesk(t, "a", "b")
		d.asks("a", 50*time.Millisecond, hello)
		if got := d.told(); len(got) > 0 {
			t.Errorf("%q, and b may yet come before", got)
		}
		old := d.hosts["a"].machine
		e.uuid = old.domain.UUID
		d.hear(e)
		d.hear(rang{m: old, line: []byte("the next boot of a machine that is to be taken away")})
		d.clock.Reached("b", time.Second)
		if got, want := d.told(), []string{"50ms a hello", "50ms a " + ending}; !slices.Equal(got, want) {
			t.Errorf("%s: told %q, want %q", ending, got, want)
		}
	}
}
