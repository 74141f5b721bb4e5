package wall

import (
	"context"
	"errors"
	"fmt"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
)

// On the wall clock a host that is silent for long counts as hung. Before that is so, its VM is looked at twice:
// where it was stopped, or kept waiting for a CPU, its silence is the testbed's doing and not the host's.

// A vigil is what is known of a silent host's VM.
type vigil struct {
	since   time.Duration // when the host gave its last sign of life, on the fleet's clock
	begun   bool          // the first look was taken
	over    bool          // and the second: the silence is the host's own
	first   qemu.Activity
	taken   time.Duration // when the first look was
	monitor error         // why QEMU is taken not to run its guest; nil when nothing speaks for that
}

// leastAnswer is how long QEMU has to be given for an answer if that none came is to tell anything.
const leastAnswer = time.Second

var errUnanswered = errors.New("its monitor does not answer")

// patience is how long the host may be silent before somebody makes something of it.
func (h *host) patience() time.Duration {
	if h.state == vm.Booting {
		return h.fleet.helloTimeout
	}
	return h.fleet.liveness
}

// watchOver has a host that boots looked at when it is silent for long.
func (h *host) watchOver() {
	h.vigil = vigil{since: h.lastSpoke()}
	h.lookIn(h.patience() / 2)
}

// lookIn has the host looked at after d, or sooner: once it has booted, its patience is another.
func (h *host) lookIn(d time.Duration) { h.remind(min(d, h.fleet.liveness/2), silenceDue) }

// lastSpoke is when the host was heard of last, or began to boot.
func (h *host) lastSpoke() time.Duration {
	if h.state == vm.Booting {
		return h.bootBy - h.fleet.helloTimeout
	}
	return time.Duration(h.lastSign.Load())
}

// silence looks at the VM of a host when it is silent for half of its patience, and shortly before that ends.
func (h *host) silence(now time.Duration) {
	since, patience := h.lastSpoke(), h.patience()
	half, late := since+patience/2, since+patience-patience/10
	if since != h.vigil.since {
		h.vigil = vigil{since: since}
	}
	switch {
	case h.panic.Doubtful(), len(h.outage.wires) > 0, h.vigil.over: // which are judged elsewhere, or were
		h.lookIn(patience / 2)
	case now < half:
		h.lookIn(half - now)
	case !h.vigil.begun:
		h.vigil.begun, h.vigil.taken, h.vigil.first = true, now, h.activity()
		limit := late - now - patience/20
		if limit >= leastAnswer {
			h.vigil.monitor = errUnanswered
		}
		h.askMonitor(since, limit)
		h.lookIn(late - now)
	case now < late:
		h.lookIn(late - now)
	default:
		h.vigil.over = true
		if err := qemu.Idle(h.vigil.first, h.activity(), now-h.vigil.taken, h.vigil.monitor); err != nil {
			h.infra("run host", fmt.Errorf("silent for %v, and not by itself: %w", (now-since).Round(100*time.Millisecond), err))
			// libvirt would wait long for a QEMU that is stopped, which holds back what is on its disk: who boots the
			// host again, from the start, gives it a new one.
			if qemu.Orphans.Kill(h.machine.PID) {
				h.disk = ""
			}
			h.powerOff(h.fleet.ctx)
			return
		}
		h.lookIn(patience / 2)
	}
}

// activity looks at the process of the host's QEMU.
func (h *host) activity() qemu.Activity {
	if h.machine == nil {
		return qemu.Activity{}
	}
	return h.site.Place.Activity(h.domainName, h.machine.PID)
}

// askMonitor asks QEMU whether the guest runs, and gives it some time for an answer.
func (h *host) askMonitor(since, limit time.Duration) {
	m, v := h.machine, h.site
	h.fleet.alive.Go(func() {
		var status string
		err := v.Line.Call(h.fleet.ctx, "ask QEMU", limit, func(l *golibvirt.Libvirt) (err error) {
			status, err = l.QEMUDomainMonitorCommand(m.Domain, `{"execute":"query-status"}`, 0)
			return err
		})
		switch {
		case err == nil && !vm.Runs(status):
			err = fmt.Errorf("QEMU says of its guest: %s", guestlink.Clip(status, 200))
		case connect.IsLost(err) && !m.Streamed():
			err = nil // the daemon was away, which tells nothing of a VM that does without
		case err != nil && limit < leastAnswer:
			err = nil
		case errors.Is(err, context.DeadlineExceeded):
			err = errUnanswered
		}
		h.inbox.Put(monitored{m, since, err})
	})
}
