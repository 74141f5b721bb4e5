package experiment

import (
	"errors"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/scenarios"
)

func TestFits(t *testing.T) {
	const mib = 1 << 20
	overhead := scenarios.EmulatedVMs().HostOverhead
	plan := func(hosts ...int) *scenarios.Plan {
		p := &scenarios.Plan{}
		for _, n := range hosts {
			p.Cells = append(p.Cells, scenarios.Cell{ID: "cell", Fleet: scenarios.Fleet{Hosts: n, Memory: 96 * mib}})
		}
		return p
	}
	each := 96*mib + overhead
	for _, c := range []struct {
		name      string
		plan      *scenarios.Plan
		available scenarios.Size
		fits      bool
	}{
		{"exactly", plan(4), 4 * each, true},
		{"one byte short", plan(4), 4*each - 1, false},
		{"cells do not add up: they run one after the other", plan(4, 4, 4), 4 * each, true},
		{"the largest counts", plan(1, 5, 1), 4 * each, false},
	} {
		err := fits(c.plan, c.available)
		var memory *MemoryError
		if c.fits != (err == nil) || !c.fits && !errors.As(err, &memory) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	err := fits(plan(10), 100*mib)
	if err == nil || !strings.Contains(err.Error(), "10 hosts x (96 MiB + 64 MiB of QEMU's own) = 1600 MiB, and 100 MiB are available") {
		t.Errorf("the error does not show the arithmetic: %v", err)
	}
}

func TestLoadIsAShare(t *testing.T) {
	busy, total, err := readCPU()
	if err != nil {
		t.Fatal(err)
	}
	facts := load{busy - 30, total - 100}.facts()
	if len(facts) != 1 || !strings.Contains(facts[0].Value, "% busy") {
		t.Errorf("facts %+v", facts)
	}
	if facts := (load{}).facts(); facts[0].Value != "unknown" {
		t.Errorf("a load that was never started says %+v", facts)
	}
	if m, err := readMemory(); err != nil || m.available <= 0 || m.available > m.total {
		t.Errorf("memory %+v, %v", m, err)
	}
}
