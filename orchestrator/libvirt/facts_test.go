package libvirt

import (
	"testing"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

func TestBootsSaysWhyThereAreNoCopies(t *testing.T) {
	for _, c := range []struct {
		clock fleet.Clock
		p     Preparation
		want  string
	}{
		{fleet.WallClock, Preparation{Copies: true, Reason: "kept in /x"}, "copies of a template, unless a fleet is to boot cold"},
		{fleet.VirtualClock, Preparation{Copies: true}, "go on from a template that is about to mount its disk, unless a fleet is to boot cold: the same to the nanosecond"},
		{fleet.VirtualClock, Preparation{Reason: "try a copy: no"}, "cold: try a copy: no"},
		{fleet.WallClock, Preparation{Reason: "no", Boot: Boot{Asked: 2.5e9}, Overhead: 90 << 20, Own: 30 << 20},
			"cold: no; a cold boot took 2.5 s to the guest's first request, and QEMU 90 MiB besides the guest's memory; a copy had 30 MiB of its own at its first beat"},
	} {
		if got := c.p.boots(c.clock); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
