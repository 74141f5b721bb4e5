package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestExamples: every command has examples of its own, and each is a command line that it takes.
func TestExamples(t *testing.T) {
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			check(sub)
		}
		own := 0
		for line := range strings.Lines(c.Example) {
			words := strings.Fields(line)
			if len(words) == 0 || words[0] != "fleetfall" {
				t.Errorf("%s: %q is no example", c.CommandPath(), line)
				continue
			}
			found, args, err := newCommand().Find(words[1:])
			if err == nil {
				err = found.ParseFlags(args)
			}
			if err == nil {
				err = found.ValidateArgs(found.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: %s: %v", c.CommandPath(), strings.TrimSpace(line), err)
				continue
			}
			if found.CommandPath() == c.CommandPath() || c.HasSubCommands() {
				own++
			}
		}
		if own == 0 {
			t.Errorf("%s has no example", c.CommandPath())
		}
	}
	check(newCommand())
}
