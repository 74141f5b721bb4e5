package experiment

import (
	"fmt"

	"github.com/fleetfall/fleetfall/scenarios"
)

// A MemoryError says that a plan cannot fit on the machine.
type MemoryError struct {
	Cell            string
	Hosts           int
	Each, Available scenarios.Size // bytes; of a guest, and of the machine
	Overhead        scenarios.Size // bytes of QEMU's own, a host
}

func (e *MemoryError) Error() string {
	return fmt.Sprintf("cell %s does not fit: %d hosts x (%d MiB + %d MiB of QEMU's own) = %d MiB, and %d MiB are available; use fewer hosts or less memory",
		e.Cell, e.Hosts, e.Each>>20, e.Overhead>>20, scenarios.Size(e.Hosts)*(e.Each+e.Overhead)>>20, e.Available>>20)
}

// CheckMemory refuses, as a *MemoryError, a plan with a cell that does not fit into the memory that is available now. Cells
// run one after the other.
func CheckMemory(p *scenarios.Plan) error {
	m, err := readMemory()
	if err != nil {
		return nil // a machine that does not tell is given the benefit of the doubt
	}
	return fits(p, scenarios.Size(m.available))
}

func fits(p *scenarios.Plan, available scenarios.Size) error {
	overhead := scenarios.EmulatedVMs().HostOverhead
	for _, c := range p.Cells {
		if scenarios.Size(c.Fleet.Hosts)*(c.Fleet.Memory+overhead) > available {
			return &MemoryError{Cell: c.ID, Hosts: c.Fleet.Hosts, Each: c.Fleet.Memory, Overhead: overhead, Available: available}
		}
	}
	return nil
}
