package fleet

import "slices"

// ThreatKinds lists the kinds of synthetic threats, probes first, in the order in which reports show them.
func ThreatKinds() []string {
	return []string{"exec", "mark", "short", "script", "write", "mmap", "module", "rename", "delete"}
}

// LoadKinds lists the kinds of work, in the order in which reports show them.
func LoadKinds() []string { return []string{"exec", "open", "read", "build"} }

// Probe tells whether the threat is of a kind that every agent which works detects: its outcome tells of the host's
// state. What becomes of another kind tells what an agent can see, and that depends on its architecture.
func (t Threat) Probe() bool { return slices.Contains([]string{"exec", "mark"}, t.What) }

// Detected tells whether the threat was stopped or reported.
func (t Threat) Detected() bool { return t.Blocked || t.Reported }
