package main

import "syscall"

// inspector is the agent's program that looks at images.
var inspector = "/opt/fleetfall/inspect"

// inspect has the inspector look at an image. It returns whether it may be executed; it may if nobody can look.
func inspect(path string) bool {
	pid, err := syscall.ForkExec(inspector, []string{inspector, path}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
	if err != nil {
		complain("%s: %v", inspector, err)
		return true
	}
	var status syscall.WaitStatus
	for {
		if _, err = syscall.Wait4(pid, &status, 0, nil); err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		complain("waiting for the inspector: %v", err)
		return true
	}
	return status.Exited() && status.ExitStatus() == 0
}
