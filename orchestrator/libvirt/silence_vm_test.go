package libvirt

import (
	"context"
	"strings"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"golang.org/x/sys/unix"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// A host that is silent because its VM was kept from running is the testbed's failure, before anybody could take it
// for hung; one that is silent by itself is not. It is so whether the host is up or boots.
func TestWhoseSilence(t *testing.T) {
	const liveness = 6 * time.Second
	_, hostile := images(t)
	h := open(t)
	r := start(t, h, hostile, 4, func(c *vm.FleetConfig) { c.Liveness = liveness })
	stop := func(host string) {
		t.Helper()
		if err := unix.Kill(r.qemu(host), unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	for _, host := range []string{"host-0", "host-1", "host-2"} {
		r.do(fleet.Boot{Host: host, Mode: fleet.Normal})
		await[fleet.Beat](r, host)
	}
	stop("host-0")
	err := h.site.Line.Call(t.Context(), "pause", connect.CallTime, func(l *golibvirt.Libvirt) error {
		domain, err := l.DomainLookupByName(r.Fleet.(vms).DomainOf("host-1"))
		if err != nil {
			return err
		}
		return l.DomainSuspend(domain)
	})
	if err != nil {
		t.Fatal(err)
	}
	r.do(fleet.Offer(7, []byte("fall silent")).To("host-2"))
	want := map[string]string{"host-0": "stopped QEMU", "host-1": "paused"}
	lastBeat, failed := map[string]time.Duration{}, map[string]time.Duration{}
	for _, e := range r.seen {
		if _, ok := e.What.(fleet.Beat); ok {
			lastBeat[e.Host] = e.At
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r.After(3*liveness, "long after")
	for over := false; !over; {
		e, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("%v\n%s", err, r.story())
		}
		r.seen = append(r.seen, e)
		switch what := e.What.(type) {
		case fleet.Beat:
			lastBeat[e.Host] = e.At
		case fleet.InfraFailed:
			failed[e.Host] = e.At
			if reason := want[e.Host]; reason == "" || what.Op != "run host" || !strings.Contains(what.Reason, reason) {
				t.Errorf("%v", e)
			}
			if silent := e.At - lastBeat[e.Host]; silent >= liveness {
				t.Errorf("%s failed after %v of silence: by then it counts as hung", e.Host, silent)
			}
		case fleet.TimerFired:
			over = true
		}
	}
	if len(failed) != len(want) {
		t.Errorf("the testbed failed %v, want the hosts of %v:\n%s", failed, want, r.story())
	}
	r.close()
}
