package main

import (
	"os"
	"syscall"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/safe/engine"
)

// An agent is what the daemon knows.
type agent struct {
	path    string       // of the channel file
	content content.File // without instances until some is loaded
	asked   int          // fanotify group that is asked about executions
	told    int          // fanotify group that is told of files; -1 for none
	said    map[string]bool
}

// load reads and verifies the channel file, swaps it in, and says so to the guest; the old content stays if it is refused.
func (a *agent) load() {
	file, err := engine.ReadFile(a.path)
	if err != nil {
		say("refused 0 %v", err)
		return
	}
	key, _ := content.TestVendorKey()
	loaded, err := engine.Load(file, key)
	if err != nil {
		version, _ := content.Version(file) // 0 if it is no channel file of any format
		say("refused %d %v", version, err)
		return
	}
	a.content = loaded
	a.said = map[string]bool{}
	say("loaded %d", loaded.Version)
}

// evaluate returns the verdict on an event, or so much of it as there is: an error is complained of once for each content.
func (a *agent) evaluate(template uint16, inputs []string) engine.Verdict {
	verdict, err := engine.Evaluate(a.content, template, inputs)
	if err != nil && !a.said[err.Error()] {
		a.said[err.Error()] = true
		complain("%v", err)
	}
	return verdict
}

// answer answers the executions that wait. The report is sent before the answer, so that whoever sees the answer finds it
// sent.
func (a *agent) answer() error {
	events, err := readEvents(a.asked)
	for _, e := range events {
		if e.fd < 0 { // the queue overflowed: nothing waits for this one
			continue
		}
		if e.mask&fanOpenExecPerm != 0 {
			// What we open ourselves is let go: we would wait for our own answer.
			allowed := e.pid == os.Getpid() || a.allows(e.fd, e.pid)
			// ENOENT: who waited was killed.
			if failed := respond(a.asked, e.fd, allowed); failed != nil && failed != syscall.ENOENT {
				return failed
			}
		}
		syscall.Close(e.fd)
	}
	return err
}

// allows tells whether the execution may go on, and reports what the content found.
func (a *agent) allows(image, pid int) bool {
	inputs := senseExecution(image, pid)
	path := inputs[imagePath]
	verdict := a.evaluate(content.ProcessTemplate, inputs[:])
	rejected := verdict.Inspect && !verdict.Block && !inspect(path)
	for _, m := range verdict.Matches {
		sayDetection(m.ID, m.Action == content.Block || m.Action == content.Inspect && rejected, pid, path)
	}
	return !verdict.Block && !rejected
}

// hearOfFiles reports what the content finds in what was done to files.
func (a *agent) hearOfFiles() error {
	events, err := readEvents(a.told)
	for _, e := range events {
		if e.pid == os.Getpid() {
			continue
		}
		for _, operation := range e.operations() {
			inputs := senseFile(operation, e.name, e.newName, e.pid)
			for _, m := range a.evaluate(content.FileTemplate, inputs[:]).Matches {
				sayDetection(m.ID, false, e.pid, e.name)
			}
		}
	}
	return err
}
