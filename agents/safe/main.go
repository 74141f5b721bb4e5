// Safe is the agent as a user-mode daemon in a memory-safe language: agents/user told anew in Go, with the same sensor, the
// same lines to the guest program and the same logic (package engine). What comes of content that makes it read what is not
// there is an error of one event, and the verdict on that event is what was found before.
//
// Memory safety is all that it has more. It is one loop that answers in order, too: content that takes for ever to evaluate
// stops every execution of the machine, and so does the first execution that is to be inspected, when the inspector itself is on a
// mount that is watched: agents/user/README.md. When it ends, its fanotify groups close and every execution that waits for its
// answer goes on.
//
//	safe CONTENT-FILE MOUNT…
package main

import (
	"fmt"
	"os"
	"syscall"

	"github.com/fleetfall/fleetfall/agents/safe/engine"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: safe CONTENT-FILE MOUNT...")
		os.Exit(2)
	}
	engine.Tune()
	syscall.CloseOnExec(agentSocket) // it is not the inspector's
	a := &agent{path: os.Args[1]}
	a.load()
	// The group that is told first: agents/user/main.c says what comes of it otherwise.
	var err error
	a.told = watchFiles(os.Args[2:])
	if a.asked, err = watchExecutions(os.Args[2:]); err == nil {
		say("ready %d", a.content.Version)
		err = a.serve()
	}
	if err != nil {
		complain("%v", err)
		os.Exit(1)
	}
}

// complain says what went wrong where nobody reads it but a person.
func complain(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "agent: "+format+"\n", args...)
}

// serve answers and reports until the guest program is gone. Who waits for an answer comes before what has happened already.
func (a *agent) serve() error {
	for {
		ready, err := wait(a.asked, a.told, agentSocket)
		if err != nil {
			return fmt.Errorf("ppoll: %w", err)
		}
		switch {
		case ready[0]:
			err = a.answer()
		case ready[1]:
			err = a.hearOfFiles()
		}
		if err != nil {
			return fmt.Errorf("fanotify: %w", err)
		}
		if ready[2] {
			line, there := hear()
			if !there {
				return nil // nobody left to report to
			}
			if line == "load" {
				a.load()
			}
		}
	}
}
