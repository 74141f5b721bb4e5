package main

import (
	"io"
	"os"
	"strings"

	"github.com/mitchellh/go-wordwrap"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// A terminal is what is known of where output goes.
type terminal struct {
	is    bool
	width int // columns; plainWidth when it is no terminal
	color bool
}

// plainWidth is what logs of CI systems and editors show without wrapping.
const plainWidth = 120

func terminalOf(w io.Writer, o *options) terminal {
	f, ok := w.(*os.File)
	if !ok || o.plain || !term.IsTerminal(int(f.Fd())) {
		return terminal{width: plainWidth}
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		width = plainWidth
	}
	return terminal{is: true, width: width, color: os.Getenv("NO_COLOR") == ""}
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

// newLog writes for people on a terminal and JSON elsewhere.
func newLog(w io.Writer, t terminal, o *options) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(o.logLevel)
	if err != nil {
		return zerolog.Nop(), usage(err)
	}
	if t.is {
		w = zerolog.ConsoleWriter{Out: w, NoColor: !t.color, TimeFormat: "15:04:05"}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger(), nil
}
