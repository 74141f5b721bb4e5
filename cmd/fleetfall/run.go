package main

import (
	"errors"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/orchestrator/experiment"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/report"
)

func runCommand(o *options) *cobra.Command {
	var scenario scenarioFlags
	var uri string
	c := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "run a scenario on virtual machines and report what came out",
		Long: `run boots the scenario's fleets, ships the update, has the hosts recovered, and writes a report.

SCENARIO is a file, or the name of a built-in scenario. The run's directory, below --results, holds the journal, the
results as JSON, the HTML report and every host's console. Without --connect a private libvirt daemon is started for
the run, and stopped after it.

Exit codes: 0 all expectations met, 1 one missed, 2 the scenario is wrong, 3 nothing can be concluded, 130 interrupted.`,
		Example: `  fleetfall run channel-file-291
  fleetfall run my.hcl --var hosts=8 --connect qemu:///system`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeScenario,
		RunE: func(c *cobra.Command, args []string) error {
			plan, err := scenario.load(c, o, args[0])
			if err != nil {
				return err
			}
			display, err := newDisplay(c.ErrOrStderr(), o, plan)
			if err != nil {
				return err
			}
			hintLeftovers(display)
			finished, err := experiment.Run(c.Context(), experiment.Config{
				Plan: plan, Results: o.results, URI: uri, Cache: cacheDir(o), Version: version(), Log: display.log,
				Step: display.step, Watch: display.watch,
			})
			display.close()
			if finished != nil && finished.Results != nil {
				t := terminalOf(c.OutOrStdout(), o)
				if printErr := report.Terminal(c.OutOrStdout(), finished.Results, t.width, t.color); printErr != nil {
					err = errors.Join(err, printErr)
				}
				write(c.OutOrStdout(), "\nreport: %s\n", filepath.Join(finished.Dir, results.ReportFile))
			}
			return outcome(c, finished, err)
		},
	}
	scenario.add(c)
	c.Flags().StringVar(&uri, "connect", "", "URI of a running libvirt daemon, e.g. qemu:///system (default: a private one)")
	return c
}

// outcome turns how a run ended into an exit code.
func outcome(c *cobra.Command, finished *experiment.Finished, err error) error {
	switch {
	case c.Context().Err() != nil && finished == nil:
		return &exitError{code: exitInterrupted, err: errors.New("interrupted before anything was begun")}
	case c.Context().Err() != nil:
		return &exitError{code: exitInterrupted, err: errors.New("interrupted; the journal is whole")}
	case err != nil:
		return infra(err)
	}
	switch finished.Results.Verdict {
	case results.Met:
		return nil
	case results.Missed:
		return &exitError{code: exitMissed}
	}
	return &exitError{code: exitInfra}
}

// version is what this binary was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v += " " + s.Value
		}
	}
	return v
}

// hintLeftovers tells of what killed runs left, which is not this run's to remove.
func hintLeftovers(d *display) {
	left, err := libvirt.Leftovers("")
	if err == nil && len(left) > 0 {
		d.step("there is something left of earlier runs that were killed; fleetfall gc removes it")
	}
}
