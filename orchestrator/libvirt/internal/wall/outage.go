package wall

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// An outage is a stretch in which a host cannot be heard because its console or channel was cut. That is the
// testbed's doing, and must not pass for the silence of a host that hangs. Times are on the fleet's clock.
type outage struct {
	wires map[string]error // those that are cut, and why
	why   error            // of the last
	began time.Duration    // when the last was cut
	word  bool             // it is over only when the host has given a sign of life after that
	limit time.Duration    // when the host is lost
}

// cutOff says that a wire was cut at now, or cannot be opened again yet. spoke is when the host gave its last sign of
// life; it has until shortly before somebody would take its silence for its own, which is after liveness. It tells
// whether an outage begins.
func (o *outage) cutOff(wire string, why error, now, spoke, liveness time.Duration) bool {
	began := !o.lasts(spoke)
	if _, known := o.wires[wire]; !known {
		o.began = now
	}
	if o.wires == nil {
		o.wires = map[string]error{}
	}
	o.wires[wire], o.why = why, why
	if began {
		// One that boots has nothing to say yet, and one that was silent for too long has hung before.
		if o.word = spoke != never && now-spoke < liveness; !o.word {
			spoke = now
		}
		o.limit = spoke + liveness - liveness/10
	}
	return began
}

// lasts tells whether the host cannot be heard, or was not heard again yet.
func (o *outage) lasts(spoke time.Duration) bool {
	return len(o.wires) > 0 || o.word && spoke <= o.began
}

// never is when a host spoke that has not in this boot.
const never time.Duration = -1

func (h *host) spoke() time.Duration {
	if h.state != vm.Up {
		return never
	}
	return time.Duration(h.lastSign.Load())
}

// cutOff: nothing comes over one of the host's wires any more.
func (h *host) cutOff(c vm.Cut) {
	now := time.Since(h.fleet.start)
	if h.outage.cutOff(c.Wire, c.Why, now, h.spoke(), h.fleet.liveness) {
		h.remind(h.outage.limit-now, outageDue)
	}
}

// restored: one of the host's wires is whole again.
func (h *host) restored(r vm.Restored) {
	delete(h.outage.wires, r.Wire)
	if len(h.outage.wires) == 0 && h.state == vm.Booting {
		h.awaitHello() // what it has said so far may be lost; it says it again
	}
}

// unheard gives a host up of which nobody can tell any more whether it hangs.
func (h *host) unheard() {
	what := "its console or channel was cut for a while, and it has given no sign of life since"
	if len(h.outage.wires) > 0 {
		what = "cut: " + strings.Join(slices.Sorted(maps.Keys(h.outage.wires)), ", ")
	}
	h.infra("hear host", fmt.Errorf("%s; silence of %v would count as its own: %w", what, h.fleet.liveness, h.outage.why))
	h.powerOff(h.fleet.ctx)
}
