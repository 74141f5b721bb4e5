package main

import (
	"errors"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/mitchellh/go-wordwrap"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// A terminal is what is known of where output goes.
type terminal struct {
	is    bool
	width int // columns; plainWidth when it is no terminal
	color bool
}

// A stdio is a file that lines are written to. That nobody reads them any more, because a pipe's reader has gone, is
// no error: there is nobody left to be told of it, and what a command does goes on.
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

// terminalFor is a terminal of so many columns, as the environment describes it. One that is dumb, or of which
// nothing is said, shows neither colours nor a bar: it would print what commands them.
func terminalFor(width int, environ func(string) string) terminal {
	smart := environ("TERM") != "" && environ("TERM") != "dumb"
	return terminal{is: smart, width: width, color: smart && environ("NO_COLOR") == ""}
}

// writeEntry prints one entry of a list, a label and a text, on as many lines of a terminal as it takes, broken between
// words. For whatever else reads it, it is one line.
func writeEntry(c *cobra.Command, o *options, label, text string) {
	writeWrapped(c.OutOrStdout(), o, label, text)
}

func writeWrapped(w io.Writer, o *options, label, text string) {
	if t := terminalOf(w, o); t.is {
		text = wrapped(text, len(label), t.width)
	}
	write(w, "%s%s\n", label, text)
}

// wrapped breaks each line of text, which begins in a column of a terminal, between words. What follows is set in as
// far as the column, or a bit more than the line itself.
func wrapped(text string, column, width int) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		words := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(words)]
		hang := column + len(indent)
		if column == 0 && indent != "" {
			hang += 2
		}
		if hang < width/2 { // else it is too narrow to be any better
			words = strings.ReplaceAll(wordwrap.WrapString(words, uint(width-hang)), "\n", "\n"+strings.Repeat(" ", hang))
		}
		lines = append(lines, indent+words)
	}
	return strings.Join(lines, "\n")
}
