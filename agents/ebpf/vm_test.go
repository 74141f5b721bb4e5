package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/internal/vmtest"
)

// TestAgent has the image's kernel verify and call the programs: testdata/trial, in the place of the guest program, does what
// they are to see and prints what the agent says of it.
func TestAgent(t *testing.T) {
	want := strings.Split(strings.TrimSpace(`
start: loaded 1; ready 1
execute: fork/exec /opt/fleetfall/threat-exec: permission denied; 1 block /opt/fleetfall/threat-exec
execute another: done
map: done; 5 detect threat-mmap-1
map a device: done
map privately: done
rename: done; 7 detect threat-rename-1
rename away: done
delete: done; 8 detect agent-state-1
delete another: done
load a module: exec format error; 6 detect module_load
field count: loaded 3
field count, execute: fork/exec /opt/fleetfall/threat-exec: permission denied; 1 block /opt/fleetfall/threat-exec
inspect: refused 4 rule 1: inspect is not supported: a BPF program cannot start another program
cut off: refused 0 too short for a channel file
missing: refused 0 cannot read open /run/current.bin: no such file or directory
after refusals: fork/exec /opt/fleetfall/threat-exec: permission denied; 1 block /opt/fleetfall/threat-exec
without agent: done`), "\n")
	var inputs, got []string
	said, console := vmtest.Run(t, "./testdata/trial")
	for _, line := range said {
		if input, isInput := strings.CutPrefix(line, "input "); isInput {
			inputs = append(inputs, input)
		} else {
			got = append(got, line)
		}
	}
	var wantInputs []string
	for _, field := range content.Fields()[:content.SensorFields] {
		wantInputs = append(wantInputs, field+" of execution: 100 detect /opt/fleetfall/service")
	}
	for _, field := range content.FileFields() {
		wantInputs = append(wantInputs, field+" of rename: 100 detect from")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s\nconsole:\n%s", diff, console)
	}
	if diff := cmp.Diff(wantInputs, inputs); diff != "" {
		t.Errorf("inputs: -want +got:\n%s\nconsole:\n%s", diff, console)
	}
}
