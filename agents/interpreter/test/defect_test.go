package test

import (
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
)

// The update of 19 July 2024 passes every check, and the first event after it makes the interpreter read a 21st input
// of 20: what lies there, a time and a sequence number, it takes for a pointer and a length.
func TestFieldCountDefect(t *testing.T) {
	criteria := []string{
		"", "equals:xyz", "equals:a-value-longer-than-the-sequence-number", "prefix:x", "contains:xyz", "glob:x*z",
	}
	forEachCompiler(t, func(t *testing.T, compiler string) {
		for _, build := range fieldBuilds {
			t.Run(build.name, func(t *testing.T) {
				program := buildDriver(t, compiler, build)
				for _, criterion := range criteria {
					// Events from the first of an agent's life on, at times from 1 s to 10 h after the boot.
					for _, clock := range []string{"1000000000 1", "4300000000 2", "36000000000000 70000"} {
						_, err := evaluateUpdate(t, program, criterion, clock)
						var exit *exec.ExitError
						if !errors.As(err, &exit) {
							t.Fatalf("criterion %q at %s: ended with %v, want a signal", criterion, clock, err)
						}
						if status := exit.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGSEGV {
							t.Errorf("criterion %q at %s: ended with %v, want SIGSEGV", criterion, clock, err)
						}
					}
				}
				if _, err := evaluateUpdate(t, program, "any", "4300000000 2"); err != nil {
					t.Errorf("the update with a wildcard in the last field: %v", err)
				}
			})
		}
		t.Run("sanitized", func(t *testing.T) {
			program := buildDriver(t, compiler, sanitized)
			for _, criterion := range criteria {
				said, err := evaluateUpdate(t, program, criterion, "4300000000 2")
				if err == nil || !strings.Contains(said, "use-after-poison") || !strings.Contains(said, "ff_evaluate") {
					t.Errorf("criterion %q: ended with %v, want a report of a read behind the inputs:\n%s", criterion, err, said)
				}
			}
			if said, err := evaluateUpdate(t, program, "any", "4300000000 2"); err != nil {
				t.Errorf("the update with a wildcard in the last field: %v\n%s", err, said)
			}
		})
	})
}

// evaluateUpdate loads the update with this criterion, the default if it is empty, and evaluates one harmless event. It
// returns what the driver said and how it ended.
func evaluateUpdate(t *testing.T, program, criterion, clock string) (string, error) {
	t.Helper()
	fault, err := content.FindFault("field_count")
	if err != nil {
		t.Fatal(err)
	}
	params := content.Params{}
	if criterion != "" {
		params["criterion"] = criterion
	}
	public, private := content.TestVendorKey()
	file, err := fault.Update(2, 1, params, private)
	if err != nil {
		t.Fatal(err)
	}
	d := start(t, program)
	d.ask("key %s", hexed(public))
	if got := d.ask("load %s", hexed(file)); !strings.HasPrefix(got, "ok version=2 ") {
		t.Fatalf("the update is not loaded: %s", got)
	}
	for field := range content.SensorFields {
		d.ask("input %d %s", field, hexed("work"))
	}
	d.ask("clock %s", clock)
	_, _ = d.try("evaluate %d", content.ProcessTemplate) // finish tells whether it came to an end
	return d.finish()
}
