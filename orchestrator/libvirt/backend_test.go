package libvirt

import (
	"errors"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/storage"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// TestChooseClock: what is asked for, and else what there can be.
func TestChooseClock(t *testing.T) {
	one, several := Machines{{site: &vm.Site{Local: &storage.Local{}}}}, Machines{{}, {}}
	for _, c := range []struct {
		name     string
		asked    fleet.Clock
		machines Machines
		want     fleet.Clock
		wrong    string
	}{
		{name: "nothing is said", machines: one, want: fleet.VirtualClock},
		{name: "nothing is said, and there can be none", machines: several, want: fleet.WallClock},
		{name: "wall", asked: fleet.WallClock, machines: one, want: fleet.WallClock},
		{name: "virtual", asked: fleet.VirtualClock, machines: one, want: fleet.VirtualClock},
		{name: "virtual, and there can be none", asked: fleet.VirtualClock, machines: several,
			wrong: `clock "virtual": the virtual clock is one machine's, and here are 2; ask for clock "wall"`},
	} {
		b := &testbed{Config: backend.Config{Clock: c.asked, Step: func(string) {}}, machines: c.machines}
		err := b.chooseClock()
		var clock *backend.ClockError
		switch {
		case c.wrong == "" && (err != nil || b.clock != c.want):
			t.Errorf("%s: %s, %v", c.name, b.clock, err)
		case c.wrong != "" && (!errors.As(err, &clock) || err.Error() != c.wrong):
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestTakes: of a kind of host, what it takes where it takes most, if that is known of any machine.
func TestTakes(t *testing.T) {
	measured, unknown := backend.Kind{Architecture: "kernel", MemoryBytes: 5}, backend.Kind{Architecture: "user", MemoryBytes: 6}
	b := &testbed{ready: map[backend.Kind][]Preparation{measured: {{Overhead: 7}, {}, {Overhead: 9}}, unknown: {{}}}}
	if got, want := b.takes(measured), (backend.Takes{Memory: 5, Overhead: 9, Disk: DiskBesides, Measured: true}); got != want {
		t.Errorf("measured: %+v, want %+v", got, want)
	}
	if got, want := b.takes(unknown), (backend.Takes{Memory: 6, Overhead: assumedOverhead, Disk: DiskBesides}); got != want {
		t.Errorf("not known: %+v, want %+v", got, want)
	}
}

// TestDeadlinesAreOfTheHostsOwnKind, on the slowest machine.
func TestDeadlinesAreOfTheHostsOwnKind(t *testing.T) {
	quick, slow := backend.Kind{Architecture: "none"}, backend.Kind{Architecture: "kernel"}
	b := &testbed{kinds: []backend.Kind{quick, slow}, clock: fleet.WallClock, ready: map[backend.Kind][]Preparation{
		quick: {{Boot: Boot{FirstByte: 1, Asked: 1}}}, slow: {{Boot: Boot{FirstByte: 4e9, Asked: 9e9}}, {Boot: Boot{FirstByte: 3e9, Asked: 20e9}}},
	}}
	if d := b.deadlines([]fleet.HostSpec{quick.Spec()}); d.FirstByte != 20e9 || d.Hello != 60e9 {
		t.Errorf("of quick hosts: %+v", d)
	}
	if d := b.deadlines([]fleet.HostSpec{quick.Spec(), slow.Spec()}); d.FirstByte != 40e9 || d.Hello != 200e9 {
		t.Errorf("with a slow one: %+v", d)
	}
	b.clock = fleet.VirtualClock
	if d := b.deadlines([]fleet.HostSpec{slow.Spec()}); d.Hello != 0 {
		t.Errorf("on the virtual clock: %+v", d)
	}
}

// TestMachinesAreNamedOnce: the command line does not name another beside those of the scenario.
func TestMachinesAreNamedOnce(t *testing.T) {
	cfg := backend.Config{RunID: "abcdef", URI: "qemu:///system", Nodes: []backend.Node{{Name: "n", URI: "qemu:///session"}}, Step: func(string) {}}
	if _, err := openTestbed(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "qemu:///system is none of them") {
		t.Error(err)
	}
}
