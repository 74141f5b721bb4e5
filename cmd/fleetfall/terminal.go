package main

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/term"
)

// A terminal is what is known of where output goes.
type terminal struct {
	is    bool
	width int // columns; plainWidth when it is no terminal
	color bool
}

// A stdio is a file that lines are written to. That nobody reads them any more, because a pipe's reader has gone, is no error: there
// is nobody left to be told of it, and what a command does goes on.
type stdio struct{ file *os.File }

func (s stdio) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		return len(p), nil
	}
	return n, err
}

// plainWidth is what logs of CI systems and editors show without wrapping.
const plainWidth = 120

func terminalOf(w io.Writer, o *options) terminal {
	out, ok := w.(stdio)
	if !ok || o.plain || !term.IsTerminal(int(out.file.Fd())) {
		return terminal{width: plainWidth}
	}
	width, _, err := term.GetSize(int(out.file.Fd()))
	if err != nil || width == 0 {
		width = plainWidth
	}
	return terminalFor(width, os.Getenv)
}

// terminalFor is a terminal of so many columns, as the environment describes it. One that is dumb, or of which nothing is said, shows
// neither colours nor a bar: it would print what commands them.
func terminalFor(width int, environ func(string) string) terminal {
	smart := environ("TERM") != "" && environ("TERM") != "dumb"
	return terminal{is: smart, width: width, color: smart && environ("NO_COLOR") == ""}
}
