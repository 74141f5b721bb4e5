package main

import (
	"fmt"
	"strings"
	"syscall"
)

// Lines to and from the guest program, over the socket that it left open.
const (
	agentSocket = 3
	maxLine     = 512 // bytes, the newline included
)

// say sends a line. It never waits: a line that the socket has no room for is dropped, because the reader may be the process
// whose execution waits for this agent's answer.
func say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	packet := append([]byte(line[:min(len(line), maxLine-1)]), '\n')
	for syscall.Sendto(agentSocket, packet, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, nil) == syscall.EINTR {
	}
}

// sayDetection reports a match; what names what was detected, and refused tells whether it was refused on account of this rule.
func sayDetection(rule uint32, refused bool, pid int, what string) {
	done := "detect"
	if refused {
		done = "block"
	}
	// A name may hold anything, a line may not.
	printable := []byte(what)
	for i, b := range printable {
		if b < ' ' {
			printable[i] = '?'
		}
	}
	say("detect %d %s %d %s", rule, done, pid, printable)
}

// hear reads one line; there is false when the guest program is gone.
func hear() (line string, there bool) {
	var buffer [maxLine]byte
	n, _, err := syscall.Recvfrom(agentSocket, buffer[:], syscall.MSG_DONTWAIT)
	if err == syscall.EAGAIN || err == syscall.EINTR {
		return "", true
	}
	if err != nil || n == 0 {
		return "", false
	}
	return strings.TrimSuffix(string(buffer[:n]), "\n"), true
}
