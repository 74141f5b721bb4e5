package main

import (
	"encoding/json"
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
				return e.Encode(plan)
			}
			return printPlan(c, plan, cacheDir(o))
		},
	}
	scenario.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the whole plan as JSON")
	return c
}

func printPlan(c *cobra.Command, plan *scenarios.Plan, cache string) error {
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
	out := c.OutOrStdout()
	write(out, "\n%d cells x %d repeats, one after the other; at most %d hosts and %d MiB at a time; about %s of the fleets' time, at most %s.\n",
		len(plan.Cells), plan.Repeat, e.Hosts, int64(e.Memory)>>20, rounded(e.Duration), rounded(e.Longest))
	write(out, "Assumed: %s to boot a host, %s to start a copy of a booted one, %d at a time, %d MiB for each VM besides its "+
		"guest's memory.\n", e.Assumptions.Boot, e.Assumptions.Clone, e.Assumptions.BootsAtOnce,
		int64(e.Assumptions.HostOverhead)>>20)
	switch plan.Clock {
	case scenarios.ClockVirtual:
		write(out, "Clock: virtual. The %s\n", virtualTime)
	case scenarios.ClockWall:
		write(out, "Clock: wall. The times above are those that pass for us.\n")
	default:
		write(out, "Clock: virtual where guests are emulated, on one machine; else wall, and the times above are those that pass for us.\n"+
			"On the virtual clock the %s\n", virtualTime)
	}
	for _, n := range plan.Nodes {
		write(out, "On: %s, %s\n", n.Name, n.URI)
	}
	images := map[string]vmimages.Image{}
	for _, cell := range plan.Cells {
		if image, err := vmimages.Find(cache, cell.Fleet.Image); err == nil {
			images[cell.Fleet.Image] = image
		}
	}
	if err := experiment.CanRun(plan, images); err != nil {
		write(out, "With the image that is here: %v.\n", err)
	}
	decision, err := experiment.Admit(plan)
	if err != nil {
		write(out, "On this machine, as it is now, %v\n", err)
	}
	for _, cell := range decision.Cells {
		if n := len(cell.Waves); n > 1 {
			write(out, "On this machine, as it is now, cell %s is run in %d waves of at most %d hosts.\n", cell.Cell, n, len(cell.Waves[0]))
		}
	}
	return nil
}

const virtualTime = "times above are its own; what passes for us meanwhile depends on the machine, and is usually far less. --verify doubles both."

func rounded(d scenarios.Duration) time.Duration { return time.Duration(d).Round(time.Second) }
