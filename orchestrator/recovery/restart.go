package recovery

import (
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/health"
)

// restarts are the automatic restarts after a panic that every machine has. By themselves they are the policy of a
// recovery to which nobody comes.
type restarts struct {
	after time.Duration
	hosts []restart
}

// A restart is a host's.
type restart struct {
	due   uint32 // number of the timer of one that is due; 0 when none is, as once the host boots by other means
	count uint32 // of timers so far
}

func newRestarts(hosts int, after time.Duration) *restarts {
	return &restarts{after, make([]restart, hosts)}
}

// Observe implements Policy.
func (r *restarts) Observe(edges []health.Edge) []Act {
	var acts []Act
	for _, e := range edges {
		acts = r.observe(acts, e)
	}
	return acts
}

func (r *restarts) observe(acts []Act, e health.Edge) []Act {
	switch e.Kind {
	case health.EdgeCrashed:
		h := &r.hosts[e.Host]
		h.count++
		h.due = h.count
		return append(acts, Act{Host: e.Host, Wait: r.after, Timer: Timer{ForRestart, e.Host, h.due}})
	case health.EdgeStarting, health.EdgeRepairing, health.EdgeOff, health.EdgeLost:
		r.forget(e.Host)
	}
	return acts
}

// Fired implements Policy.
func (r *restarts) Fired(t Timer) []Act {
	if h := &r.hosts[t.Host]; t.Purpose == ForRestart && h.due == t.N {
		h.due = 0
		return []Act{{Do: Reset, Host: t.Host}}
	}
	return nil
}

// forget a restart that is due: the host boots by other means.
func (r *restarts) forget(host uint32) { r.hosts[host].due = 0 }
