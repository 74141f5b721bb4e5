package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/orchestrator/experiment"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/report"
)

func runCommand(o *options) *cobra.Command {
	var scenario scenarioFlags
	var uri, resume, shard string
	var verify bool
	var atOnce int
	c := &cobra.Command{
		Use:   "run SCENARIO | run --resume RUN",
		Short: "run a scenario on virtual machines and report what came out",
		Long: `run boots the scenario's fleets, ships the update, has the hosts recovered, and writes a report.

SCENARIO is a file, or the name of a built-in scenario. The run's directory, below --results, holds the journal, the
results as JSON, the HTML report and every host's console. Without --connect a private libvirt daemon is started for
the run, and stopped after it.

With --resume it goes on with a run that was killed, interrupted or failed: RUN is its directory, its journal, its ID, or
"latest". Scenario, variables and clock are the run's own; trials that are finished are not run again.

With --verify, on the virtual clock alone, every trial is run a second time at once, while as many processes as there are
CPUs keep the machine busy, and the two recordings are compared entry by entry: events, actions, marks and the end. Times
may differ by the tolerance that the report states, anything else not at all. The second runs are in no figure. A run that
began with --verify goes on with it when it is resumed.

With --shard 2/4, the second of four parts of the trials is run alone, here, while others run theirs elsewhere: each takes
about as long. Under a scheduler's array or parallel job, --shard auto takes the part from the environment (Slurm, GitLab,
CircleCI, Buildkite, AWS Batch), and --shard auto/20 where that does not say of how many (Kubernetes). fleetfall merge
makes one run of them all. A shard exits 0 when its trials came to an end and no cell that it has whole misses an expectation.

On the virtual clock, several trials are under way at a time: as many as keep the CPUs busy, or as --at-once says, and
no more than there is room for. No figure depends on how many. On the wall clock, and with --verify, it is one.

Exit codes: 0 all expectations met, 1 one missed, 2 the scenario is wrong, 3 nothing can be concluded, also because a
trial came out differently under load, 130 interrupted by Ctrl-C, SIGTERM or a terminal that was closed. A second Ctrl-C
ends it at once, and fleetfall gc removes what it leaves. A run that was started by nohup goes on when the terminal is
closed, and any run does when nobody reads its output.`,
		Example: `  fleetfall run channel-file-291
  fleetfall run my.hcl --var hosts=8 --connect qemu:///system
  fleetfall run channel-file-291 --clock virtual
  fleetfall run channel-file-291 --clock virtual --verify
  fleetfall run matrix --shard 2/4
  fleetfall run --resume latest`,
		Args: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("at-once") && atOnce < 1 {
				return fmt.Errorf("--at-once %d: at least one trial has to be under way", atOnce)
			}
			if verify && atOnce > 1 {
				return errors.New("--at-once does not go with --verify: a trial that others run beside is not held against one alone")
			}
			if !c.Flags().Changed("resume") {
				return cobra.ExactArgs(1)(c, args)
			}
			for _, f := range []struct{ flag, what string }{{"var", "variables"}, {"var-file", "variables"}, {"clock", "clock"}, {"verify", "verification"}, {"shard", "shard"}} {
				if c.Flags().Changed(f.flag) {
					return fmt.Errorf("--%s does not go with --resume: a run goes on with the %s that it began with", f.flag, f.what)
				}
			}
			if len(args) > 0 {
				return fmt.Errorf("SCENARIO (%q) does not go with --resume: a run goes on with the scenario that it began with", args[0])
			}
			return nil
		},
		ValidArgsFunction: completeScenario,
		RunE: func(c *cobra.Command, args []string) error {
			cfg := experiment.Config{Results: o.results, URI: uri, Cache: cacheDir(o), Version: version(), Verify: verify, AtOnce: atOnce}
			var err error
			if cfg.Shard, err = shardOf(shard, os.Getenv); err != nil {
				return usage(err)
			}
			if c.Flags().Changed("resume") {
				if cfg.Resume, err = results.FindRun(o.results, resume); err != nil {
					return usage(err)
				}
			} else if cfg.Plan, err = scenario.load(c, o, args[0]); err != nil {
				return err
			}
			if uri != "" && cfg.Plan != nil && len(cfg.Plan.Nodes) > 0 {
				return usage(errors.New("--connect names a libvirt daemon, and the scenario's host blocks do too: leave one of them out"))
			}
			display, err := newDisplay(c.ErrOrStderr(), o)
			if err != nil {
				return err
			}
			hintLeftovers(display, cfg.Cache)
			cfg.Log, cfg.Step, cfg.Begin, cfg.Watch = display.log, display.step, display.begin, display.watch
			finished, err := experiment.Run(c.Context(), cfg)
			display.close()
			return outcome(c, finished, errors.Join(err, printFinished(c, o, finished)))
		},
	}
	scenario.add(c)
	c.Flags().StringVar(&uri, "connect", "", "URI of a running libvirt daemon, e.g. qemu:///system (default: a private one)")
	c.Flags().StringVar(&resume, "resume", "", "go on with a run that did not come to its end: its directory, ID, or \"latest\"")
	c.Flags().BoolVar(&verify, "verify", false, "run each trial a second time under load on all CPUs, and compare the recordings; needs the virtual clock")
	c.Flags().StringVar(&shard, "shard", "", "run one of several parts of the trials, e.g. 2/4, or \"auto\" for the one that a scheduler says")
	c.Flags().IntVar(&atOnce, "at-once", 0, "trials under way at a time at most, on the virtual clock (default: as many as keep the CPUs busy)")
	if err := c.RegisterFlagCompletionFunc("resume", o.completeRun); err != nil {
		panic(err) // only for a flag that is not there
	}
	return c
}

// completeRun offers the runs below the directory of results.
func (o *options) completeRun(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return append(results.ListRuns(o.results), "latest"), cobra.ShellCompDirectiveDefault
}

// printFinished prints what a run has come to, nil when nothing was begun. What was interrupted is no result: the
// report has what is known of it.
func printFinished(c *cobra.Command, o *options, finished *experiment.Finished) error {
	if finished == nil || finished.Results == nil {
		return nil
	}
	w := c.OutOrStdout()
	if c.Context().Err() != nil {
		write(w, "%s", interruption(finished))
		return nil
	}
	t := terminalOf(w, o)
	err := report.Terminal(w, finished.Results, t.width, t.color)
	write(w, "\nreport: %s\n", filepath.Join(finished.Dir, results.ReportFile))
	return err
}

// interruption says what there is of a run that was interrupted, and where.
func interruption(finished *experiment.Finished) string {
	r := finished.Results
	var text strings.Builder
	fmt.Fprintf(&text, "%s was interrupted (%s)", r.Scenario.Name, r.Run.Reason)
	switch {
	case finished.Trials == 0:
		text.WriteString(" before its first trial.\n")
	case finished.Ended == finished.Trials:
		text.WriteString(" after its last trial.\n")
	default:
		fmt.Fprintf(&text, ": %d of %d trials had come to an end.\n", finished.Ended, finished.Trials)
		text.WriteString("What was seen in the others is in no figure.\n")
	}
	fmt.Fprintf(&text, "\ngo on:  fleetfall run --resume %s\nreport: %s\n", finished.Dir, filepath.Join(finished.Dir, results.ReportFile))
	return text.String()
}

// outcome turns how a run ended into an exit code.
func outcome(c *cobra.Command, finished *experiment.Finished, err error) error {
	switch {
	case c.Context().Err() != nil && finished == nil:
		return &exitError{code: exitInterrupted, err: errors.New("interrupted before anything was begun")}
	case c.Context().Err() != nil:
		return &exitError{code: exitInterrupted, err: errors.New("interrupted; the journal is whole")}
	case errors.Is(err, results.ErrComplete), errors.Is(err, results.ErrReplay), errors.Is(err, experiment.ErrWallClock):
		return usage(err)
	case err != nil:
		return infra(err)
	}
	return judged(finished.Results)
}

// commit is set by make build: Go can be told not to look at the repository.
var commit string

// version is what this binary was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return cmp.Or(commit, "unknown")
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return v + " " + s.Value
		}
	}
	return strings.TrimSpace(v + " " + commit)
}

// hintLeftovers tells of what killed runs and image builds left, which is not this run's to remove.
func hintLeftovers(d *display, cache string) {
	left, err := leftovers(cache)
	if err == nil && len(left) > 0 {
		d.step("there is something left of earlier runs or image builds that were killed; fleetfall gc removes it")
	}
}
