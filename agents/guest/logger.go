package main

import (
	"context"
	"fmt"
	"io"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

const (
	logBacklog = 32  // lines that wait for the link; more go to the console alone
	logLine    = 512 // bytes
)

// A logger writes lines to the console at once, and to the host once there is a link.
type logger struct {
	console io.Writer
	lines   chan string
}

func newLogger(console io.Writer) *logger {
	return &logger{console: console, lines: make(chan string, logBacklog)}
}

func (l *logger) printf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	l.consoleOnly("%s", line)
	select {
	case l.lines <- line[:min(len(line), logLine)]:
	default:
	}
}

// consoleOnly is for what concerns the link itself.
func (l *logger) consoleOnly(format string, args ...any) {
	fmt.Fprintf(l.console, "guest: "+format+"\n", args...)
}

// check logs an error, if there is one.
func (l *logger) check(doing string, err error) {
	if err != nil {
		l.printf("%s: %v", doing, err)
	}
}

// deliver sends lines to the host until ctx ends.
func (l *logger) deliver(ctx context.Context, s *session) {
	for {
		select {
		case <-ctx.Done():
			return
		case line := <-l.lines:
			if _, err := s.call(ctx, protocol.Request{Log: &protocol.Log{Text: line}}); err != nil {
				l.consoleOnly("sending a log line: %v", err)
			}
		}
	}
}
