package recovery

import "github.com/fleetfall/fleetfall/orchestrator/health"

// loop is how many panics without work between them somebody takes for a boot loop.
const loop = 2

// notice tells when a host is in trouble that its users see: it loops, hangs, or its work fails.
type notice struct {
	up     []bool
	panics []uint8 // since it was up last; no more than loop
}

func newNotice(hosts int) notice { return notice{make([]bool, hosts), make([]uint8, hosts)} }

// trouble tells whether the edge shows that its host is in trouble.
func (n *notice) trouble(e health.Edge) bool {
	switch e.Kind {
	case health.EdgeUp:
		n.up[e.Host] = true
		n.forgive(e.Host)
	case health.EdgeDown:
		n.up[e.Host] = false
	case health.EdgeSlow, health.EdgeSilent:
		n.up[e.Host] = false
		return true
	case health.EdgeCrashed:
		n.panics[e.Host] = min(n.panics[e.Host]+1, loop)
		return n.panics[e.Host] == loop
	}
	return false
}

// forgive a host its panics so far: another boot loop has to be noticed anew.
func (n *notice) forgive(host uint32) { n.panics[host] = 0 }
