package main

import (
	"io"
	"os"

	"github.com/rs/zerolog"
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
