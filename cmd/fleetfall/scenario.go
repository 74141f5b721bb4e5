package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/orchestrator/experiment"
	"github.com/fleetfall/fleetfall/scenarios"
	"github.com/fleetfall/fleetfall/vmimages"
)

// scenarioFlags are what a scenario is loaded with.
type scenarioFlags struct {
	vars     []string
	varFiles []string
	clock    string
}

func (f *scenarioFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.vars, "var", nil, "set a variable of the scenario, as name=value (may be repeated)")
	c.Flags().StringArrayVar(&f.varFiles, "var-file", nil, "file of name = value lines (may be repeated)")
	c.Flags().StringVar(&f.clock, "clock", "", "`virtual|wall`, in the place of the scenario's clock. On the virtual clock time is counted in the guests' "+
		"instructions, so that hours pass in minutes and figures do not depend on the machine; CPUs are then emulated, also where there is KVM")
	clocks := cobra.FixedCompletions([]string{scenarios.ClockVirtual, scenarios.ClockWall}, cobra.ShellCompDirectiveNoFileComp)
	if err := c.RegisterFlagCompletionFunc("clock", clocks); err != nil {
		panic(err) // only for a flag that is not there
	}
}

// load reads the scenario and prints all that is wrong with it.
func (f *scenarioFlags) load(c *cobra.Command, o *options, name string) (*scenarios.Plan, error) {
	opts := scenarios.Options{Vars: map[string]string{}, VarFiles: f.varFiles, Environ: os.Environ(), Clock: f.clock,
		Images: vmimages.Names(), Backends: experiment.Known(experiment.Backends()), Files: map[string]*hcl.File{}}
	if c.Flags().Changed("clock") && f.clock == "" {
		return nil, usage(fmt.Errorf("--clock %q: want %s or %s", f.clock, scenarios.ClockVirtual, scenarios.ClockWall))
	}
	for _, v := range f.vars {
		key, value, ok := strings.Cut(v, "=")
		if !ok || key == "" {
			return nil, usage(fmt.Errorf("--var %q: want name=value", v))
		}
		opts.Vars[key] = value
	}
	plan, diags := scenarios.LoadFile(c.Context(), name, opts)
	if len(diags) > 0 {
		t := terminalOf(c.ErrOrStderr(), o)
		if err := scenarios.Render(c.ErrOrStderr(), diags, opts.Files, t.width, t.color); err != nil {
			return nil, usage(err)
		}
	}
	if plan == nil {
		if err := c.Context().Err(); err != nil {
			return nil, err
		}
		return nil, &exitError{code: exitUsage}
	}
	return plan, nil
}

// completeScenario offers the built-in scenarios and files to a shell's completion.
func completeScenario(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return scenarios.Library(), cobra.ShellCompDirectiveDefault
}
