package vm

// A State is what a host's VM does, as far as this package has to know.
type State int

const (
	Off     State = iota
	Booting       // started, no hello yet
	Up            // said hello
	Stopped       // panicked: it stands still until an action
)
