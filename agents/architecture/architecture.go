// Package architecture names the places where an agent can evaluate content. It is the one list of them: scenarios
// choose from it, backends run it, guests start it. It is built into guests and imports nothing.
package architecture

// The architectures.
const (
	Ebpf   = "ebpf"   // BPF programs, which a daemon loads
	Hybrid = "hybrid" // a daemon, which a kernel module asks
	Kernel = "kernel" // a kernel module
	None   = "none"   // nowhere: hosts without an agent
	Safe   = "safe"   // a daemon in a memory-safe language
	User   = "user"   // a daemon in C
)

// Names lists every architecture, sorted.
func Names() []string { return []string{Ebpf, Hybrid, Kernel, None, Safe, User} }
