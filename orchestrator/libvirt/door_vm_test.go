package libvirt

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
	"github.com/fleetfall/fleetfall/vmimages"
)

// life runs one host on the virtual clock for a time, and returns all that happens to it.
func life(t *testing.T, h *Hypervisor, image vmimages.Image, d time.Duration, cold bool) []fleet.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	f, err := h.NewFleet(vm.FleetConfig{
		Cell: t.Name(), Clock: fleet.VirtualClock, Seed: 5, Images: map[string]vmimages.Image{image.Name: image},
		Hosts: []fleet.HostSpec{{
			Name: "host", Architecture: "kernel", Image: image.Name, MemoryBytes: 96 << 20, Cold: cold,
			Tempo: fleet.Tempo{Beat: time.Second, Poll: 2 * time.Second, Work: time.Second, Threat: 2 * time.Second},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	if err := f.Do(ctx, fleet.Boot{Host: "host", Mode: fleet.Normal}); err != nil {
		t.Fatal(err)
	}
	f.After(d, "end")
	var events []fleet.Event
	for {
		e, err := f.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		switch e.What.(type) {
		case fleet.TimerFired:
			return events
		case fleet.InfraFailed, fleet.BootFailed:
			t.Fatalf("%v", e)
		}
		events = append(events, e)
	}
}

// prepareVirtual makes templates of hosts on the virtual clock.
func prepareVirtual(t *testing.T, h *Hypervisor, image vmimages.Image) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if p, err := h.Prepare(ctx, image, fleet.HostSpec{Image: image.Name, Architecture: "kernel", MemoryBytes: 96 << 20}, fleet.VirtualClock); err != nil || !p.Copies {
		t.Fatalf("%+v, %v", p, err)
	}
}

// TestDoor: a boot that goes on from a template is, to the nanosecond, the boot that a machine goes through by itself.
func TestDoor(t *testing.T) {
	tiny, _ := images(t)
	h := open(t)
	prepareVirtual(t, h, tiny)
	const seconds = 10
	boots := map[bool][]fleet.Event{}
	for _, cold := range []bool{true, false} {
		events := life(t, h, tiny, seconds*time.Second, cold)
		first, ok := events[0].What.(fleet.Booting)
		if !ok || first.Cloned == cold {
			t.Errorf("cold %v: it begins with %+v", cold, events[0])
		}
		boots[cold] = events[1:]
	}
	if n := len(boots[true]); n < seconds || n != len(boots[false]) {
		t.Fatalf("%d events by itself, %d as a copy", n, len(boots[false]))
	}
	identical := true
	for i, a := range boots[true] {
		b := boots[false][i]
		identical = identical && reflect.DeepEqual(a, b)
		if a.What.Kind() != b.What.Kind() || (a.At-b.At).Abs() > Tolerance {
			t.Fatalf("event %d: by itself\n%v\nas a copy\n%v", i, a, b)
		}
	}
	t.Logf("identical: %v", identical) // but for the rare leap that Tolerance is for
}
