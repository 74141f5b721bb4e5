package libvirt

import (
	"errors"
	"fmt"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// A makerMessage is what who makes a template takes from the inbox: news of its VM and, on the virtual clock, what it
// does at the door.
type makerMessage interface{ toMaker() }

type makerHeard struct {
	m    *vm.Machine
	what vm.News
}

func (makerHeard) toMaker() {}

// hears takes what is heard of a template's boot beside its question; an error is why nothing will come of it.
func hears(b *template.Boot, what vm.News, begin time.Time) error {
	switch n := what.(type) {
	case vm.Spoke:
		b.FirstByte = time.Since(begin)
	case vm.Crashed:
		return fmt.Errorf("the guest crashed: %s", n.Report.Title)
	case vm.DomainEvent:
		if n.Kind == golibvirt.DomainEventStopped || n.Kind == golibvirt.DomainEventCrashed {
			return errors.New("its VM ended")
		}
		if n.DiskFailed() {
			return connect.ErrDiskFailed
		}
	}
	return nil
}

// templateTime is how long a template's boot may take.
const templateTime = 3 * time.Minute
