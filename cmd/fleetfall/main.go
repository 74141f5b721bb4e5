// Command fleetfall boots fleets of virtual machines, ships them a bad security-agent update, and measures how far the
// damage spreads and how long the fleet takes to come back.
//
// It has the flags, the signals and the exit codes, and no logic of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/internal/printable"
	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
)

// Exit codes.
const (
	exitMet         = 0   // all expectations met
	exitMissed      = 1   // one missed
	exitUsage       = 2   // the scenario or the command line is wrong
	exitInfra       = 3   // infrastructure: nothing can be concluded
	exitInterrupted = 130 // by a signal, see interruptible; the journal is whole
)

// An exitError ends the program with a code. A nil err was reported already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func main() { os.Exit(Main()) }

// Main is the whole program but its exit; tests run it as a command of their own.
func Main() int {
	surviveLostOutput()
	ctx, stop := interruptible(context.Background())
	defer stop()
	c := newCommand()
	c.SetOut(stdio{os.Stdout})
	c.SetErr(stdio{os.Stderr})
	err := c.ExecuteContext(ctx)
	code := exitCode(ctx, err)
	var exit *exitError
	if err != nil && (!errors.As(err, &exit) || exit.err != nil) {
		writeWrapped(os.Stderr, &options{}, "fleetfall: ", err.Error())
	}
	return code
}

func exitCode(ctx context.Context, err error) int {
	var exit *exitError
	var refusal *admission.Refusal
	var missing *backend.PrerequisiteError
	switch {
	case err == nil:
		return exitMet
	case errors.As(err, &exit):
		return exit.code
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &refusal), errors.As(err, &missing):
		return exitInfra
	}
	return exitUsage // what cobra says of a command line
}

// infra marks an error as the testbed's.
func infra(err error) error { return &exitError{exitInfra, err} }

// usage marks an error as the user's.
func usage(err error) error { return &exitError{exitUsage, err} }

// options are the flags of every command.
type options struct {
	results  string
	cache    string
	logLevel string
	plain    bool
}

func newCommand() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "fleetfall",
		Short: "measure what a bad security-agent update does to a fleet",
		Long: `fleetfall boots fleets of real virtual machines, ships them a bad but validly signed security-agent update, and
measures how far the damage spreads and how long the fleet takes to come back, for each architecture of the agent.

Exit codes: 0 all expectations met, 1 one missed, 2 the scenario or the command line is wrong, 3 infrastructure failed
and nothing can be concluded, 130 interrupted by Ctrl-C, SIGTERM or a terminal that was closed (the journal is whole:
fleetfall report works on it).`,
		Example: `  fleetfall doctor
  fleetfall run channel-file-291
  fleetfall run scenarios/channel-file-291.hcl --var hosts=8 --var repeat=3
  fleetfall report latest`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	flags := c.PersistentFlags()
	flags.StringVar(&o.results, "results", "results", "directory of results")
	flags.StringVar(&o.cache, "cache", "", "directory of images (default: /var/cache/fleetfall as root, else below the user's cache)")
	o.addLogLevel(c)
	flags.BoolVar(&o.plain, "plain", false, "plain output, as when not on a terminal")
	c.AddCommand(runCommand(&o), validateCommand(&o), planCommand(&o), faultsCommand(&o), metricsCommand(&o), languageCommand(&o), reportCommand(&o), mergeCommand(&o), replayCommand(&o), imageCommand(&o), doctorCommand(&o), gcCommand(&o))
	return c
}

// write prints to a command's output, whose loss nobody can be told of, what is fit for a terminal: there may be names
// in it that anybody has chosen.
func write(w io.Writer, format string, args ...any) {
	io.WriteString(w, printable.Text(fmt.Sprintf(format, args...)))
}
