package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/orchestrator/experiment"
	"github.com/fleetfall/fleetfall/scenarios"
	"github.com/fleetfall/fleetfall/vmimages"
)

func planCommand(o *options) *cobra.Command {
	var scenario scenarioFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "plan SCENARIO",
		Short: "show what a scenario would run: cells, hosts, memory, expected duration",
		Long: `plan shows the cells of a scenario, what they take of memory and of the fleets' time, and about what a run takes
of ours.

Exit codes: 0 the plan fits this machine as it is now, 2 the scenario is wrong, 3 the plan does not fit, as run would
find.`,
		Example: `  fleetfall plan channel-file-291
  fleetfall plan channel-file-291 --var hosts=100 --json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeScenario,
		RunE: func(c *cobra.Command, args []string) error {
			plan, err := scenario.load(c, o, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(c.OutOrStdout())
				e.SetEscapeHTML(false)
				e.SetIndent("", "  ")
				if err := e.Encode(plan); err != nil {
					return err
				}
				_, err := experiment.Admit(plan, experiment.Backends())
				return err
			}
			return printPlan(c, o, plan)
		},
	}
	scenario.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the whole plan as JSON")
	return c
}

func printPlan(c *cobra.Command, o *options, plan *scenarios.Plan) error {
	e := plan.Estimate(scenarios.EmulatedVMs())
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	write(w, "CELL\tARCHITECTURE\tFAULT\tHOSTS\tREPEATS\tMEMORY\tEXPECTED\tAT MOST\n")
	for i, cell := range plan.Cells {
		x := e.Cells[i]
		write(w, "%s\t%s\t%s\t%d\t%d\t%d MiB\t%s\t%s\n", cell.ID, cell.Fleet.Architecture, cell.Update.Fault,
			cell.Fleet.Hosts, plan.Repeat, int64(x.Memory)>>20, rounded(x.Duration), rounded(x.Longest))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	say := func(format string, args ...any) { writeEntry(c, o, "", fmt.Sprintf(format, args...)) }
	say("\n%d cells x %d repeats; at most %d hosts and %d MiB in each; about %s of the fleets' time, at most %s.",
		len(plan.Cells), plan.Repeat, e.Hosts, int64(e.Memory)>>20, rounded(e.Duration), rounded(e.Longest))
	say("Assumed: %s to boot a host, %s to start a copy of a booted one, %d at a time, %d MiB for each VM besides its "+
		"guest's memory.", e.Assumptions.Boot, e.Assumptions.Clone, e.Assumptions.BootsAtOnce,
		int64(e.Assumptions.HostOverhead)>>20)
	switch plan.Clock {
	case scenarios.ClockVirtual:
		say("Clock: virtual. The %s", virtualTime)
	case scenarios.ClockWall:
		say("Clock: wall. The times above are those that pass for us.")
	default:
		say("Clock: virtual where guests are emulated, on one machine; else wall, and the times above are those that pass for us.\n"+
			"On the virtual clock the %s", virtualTime)
	}
	if plan.Clock != scenarios.ClockWall && len(plan.Nodes) == 0 {
		printCost(say, plan, e)
	}
	for _, n := range plan.Nodes {
		say("On: %s, %s", n.Name, n.URI)
	}
	images := map[string]vmimages.Image{}
	for _, cell := range plan.Cells {
		if image, err := vmimages.Find(cacheDir(o), cell.Fleet.Image); err == nil {
			images[cell.Fleet.Image] = image
		}
	}
	if err := experiment.CanRun(plan, images); err != nil {
		say("With the image that is here: %v.", err)
	}
	decision, err := experiment.Admit(plan, experiment.Backends())
	if err != nil {
		say("On this machine, as it is now, %v", err)
		return &exitError{code: exitInfra}
	}
	for _, cell := range decision.Cells {
		if n := len(cell.Waves); n > 1 {
			say("On this machine, as it is now, cell %s is run in %d waves of at most %d hosts.", cell.Cell, n, len(cell.Waves[0]))
		}
	}
	return nil
}

const virtualTime = "times above are its own."

// longRun is what a run may take of our time before plan says how to make it shorter.
const longRun = 10 * time.Minute

// printCost tells about how long a run takes for us on the virtual clock.
func printCost(say func(string, ...any), plan *scenarios.Plan, e scenarios.Estimate) {
	a := e.Assumptions
	cost := time.Duration(e.Cost)
	say("A run takes about %s of our time there, with %d boots; with --verify two to four times as long. Assumed: two cores with nothing else "+
		"to do, %s for each trial, %s for a boot and %s each time that a host beats, polls, works or is threatened.",
		roughly(cost), e.Boots, a.Trial, a.BootCost, a.ActCost)
	if e.Loops(longRun) {
		shortest := plan.Cells[0].Recovery.Restart
		for _, c := range plan.Cells {
			shortest = min(shortest, c.Recovery.Restart)
		}
		say("Most of that is boots of hosts in boot loops: a longer restart in the recovery, which is %s, makes fewer of them.",
			shortest)
	}
	if e.Acts(longRun) {
		t := plan.Tempo
		say("Most of that is what hosts do all the time: longer intervals in the guest block, where beat is %s, poll %s, work %s and "+
			"threat %s, make it less.", t.Beat, t.Poll, t.Work, t.Threat)
	}
}

// roughly is a duration to no more digits than an estimate has.
func roughly(d time.Duration) time.Duration {
	switch {
	case d > time.Hour:
		return d.Round(10 * time.Minute)
	case d > 10*time.Minute:
		return d.Round(time.Minute)
	}
	return d.Round(10 * time.Second)
}

func rounded(d scenarios.Duration) time.Duration { return time.Duration(d).Round(time.Second) }
