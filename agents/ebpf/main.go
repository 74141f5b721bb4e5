// Command ebpf is the agent whose sensor and interpreter are BPF programs (agents/ebpf/bpf): the kernel has verified them, and
// calls them as hooks of a security module. This daemon loads them, puts content into their maps and makes lines of what they
// report. When it ends, whatever the reason, the kernel drops the programs with it: it fails open.
//
//	ebpf CONTENT-FILE
//
// The programs' object lies beside it, under its own name with ".o" behind. Lines to and from the guest program go over
// descriptor 3, a socket of sequenced packets.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/fleetfall/fleetfall/agents/safe/engine"
)

const (
	agentSocket = 3
	maxLine     = 512 // bytes of a line, its newline included
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: ebpf CONTENT-FILE")
		os.Exit(2)
	}
	engine.Tune()
	if err := run(os.Args[1], os.NewFile(agentSocket, "guest program")); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

// run serves until the guest program closes its end of the socket. Its error is that the agent could not be started.
func run(path string, guest io.ReadWriter) error {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	p, err := loadPrograms(own + ".o")
	if err != nil {
		return err
	}
	a := &agent{path: path, programs: p, guest: guest}
	a.load()
	if err := p.attach(); err != nil {
		return err
	}
	a.say("ready %d", a.version)
	failed := make(chan error, 1)
	go func() { failed <- a.report() }()
	go func() {
		a.listen()
		failed <- nil // nobody is left to report to
	}()
	return <-failed
}

// An agent is the loaded programs between a content file and the guest program.
type agent struct {
	path     string // of the content
	programs *programs
	guest    io.ReadWriter
	version  uint64 // of the content in use, 0 for none
}

// say sends a line, cut to what a line may have. Nothing waits for this daemon, so it may wait for the guest program.
func (a *agent) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	_, _ = io.WriteString(a.guest, line[:min(len(line), maxLine-1)]+"\n") // who has gone is noticed by listen
}

// listen does what the guest program asks for until that is gone.
func (a *agent) listen() {
	line := make([]byte, maxLine)
	for {
		n, err := a.guest.Read(line)
		if err != nil {
			return
		}
		if strings.TrimSpace(string(line[:n])) == "load" {
			a.load()
		}
	}
}

// load reads the content and swaps it in, and says so; the old content stays if it is refused.
func (a *agent) load() {
	version, steps, err := readContent(a.path)
	if err == nil {
		err = a.programs.use(steps)
	}
	if err != nil {
		a.say("refused %d %v", version, err)
		return
	}
	a.version = version
	a.say("loaded %d", version)
}

// report makes lines of the programs' reports. Its error is that no more can be read.
func (a *agent) report() error {
	for {
		d, err := a.programs.next()
		if err != nil {
			return fmt.Errorf("read reports: %w", err)
		}
		a.say("detect %d %s %d %s", d.rule, d.word(), d.pid, d.what)
	}
}
