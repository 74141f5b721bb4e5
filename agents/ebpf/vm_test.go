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
	inputs := map[string]bool{}
	var got []string
	said, console := vmtest.Run(t, "./testdata/trial")
	for _, line := range said {
		field, isInput := strings.CutPrefix(line, "input ")
		if !isInput {
			got = append(got, line)
			continue
		}
		name, found, _ := strings.Cut(field, ":")
		inputs[name] = strings.TrimSpace(found) == "100 detect /opt/fleetfall/service"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s\nconsole:\n%s", diff, console)
	}
	if len(inputs) != content.SensorFields {
		t.Errorf("%d inputs were looked at, want %d", len(inputs), content.SensorFields)
	}
	for name, right := range inputs {
		if !right {
			t.Errorf("input %s is not what the machine says; console:\n%s", name, console)
		}
	}
}
