// Package prerequisite is what a machine lacks to run VMs.
package prerequisite

// An Error says what the machine lacks to run VMs, and how to get it.
type Error struct {
	What string // what is missing or wrong
	How  string // what to do about it
	Err  error  // may be nil
}

func (e *Error) Error() string {
	text := e.What
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text + "; " + e.How
}

func (e *Error) Unwrap() error { return e.Err }
