package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
)

// levels are those of log lines, from the most lines to the fewest.
func levels() []string {
	var names []string
	for l := zerolog.TraceLevel; l <= zerolog.ErrorLevel; l++ {
		names = append(names, l.String())
	}
	return names
}

// checkLevel refuses a level that there is not.
func checkLevel(name string) error {
	known := levels()
	if slices.Contains(known, name) {
		return nil
	}
	far := func(level string) int { return levenshtein.Distance(strings.ToLower(name), level, nil) }
	near := slices.MinFunc(known, func(a, b string) int { return far(a) - far(b) })
	hint := ""
	if far(near) <= len(near)/2 {
		hint = fmt.Sprintf(" Did you mean %q?", near)
	}
	return usage(fmt.Errorf("--log-level %q: there is no such level.%s The levels are %s", name, hint, strings.Join(known, ", ")))
}

// addLogLevel adds the flag to a command and to all below it.
func (o *options) addLogLevel(c *cobra.Command) {
	c.PersistentFlags().StringVar(&o.logLevel, "log-level", "warn", "least level of log lines: "+strings.Join(levels(), ", "))
	c.PersistentPreRunE = func(*cobra.Command, []string) error { return checkLevel(o.logLevel) }
	if err := c.RegisterFlagCompletionFunc("log-level", cobra.FixedCompletions(levels(), cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // only for a flag that is not there
	}
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
