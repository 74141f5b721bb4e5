package main

import (
	"testing"

	"github.com/fleetfall/fleetfall/internal/capability"
)

// TestMatrixQuick: each architecture is on real VMs what the scenario says that it is, and sees what its hooks can see. The kinds
// of threats that are missed are missed for the reason that stands beside them.
func TestMatrixQuick(t *testing.T) {
	capability.VMs(t)
	p := startRun(t, t.TempDir(), "matrix-quick")
	p.expect(exitMet)
	r := p.results()
	fanotify := "fanotify tells of no write through a mapping, and of no module that is loaded from memory"
	hooks := "no hook of theirs is on calls to write: there are too many of those"
	missed := map[string]map[string]string{
		"kernel": {"write": hooks}, "hybrid": {"write": hooks}, "ebpf": {"write": hooks},
		"user": {"mmap": fanotify, "module": fanotify}, "safe": {"mmap": fanotify, "module": fanotify},
	}
	for _, c := range r.Cells {
		if c.Architecture == "none" {
			continue
		}
		for _, v := range c.Visibility {
			why := missed[c.Fleet][v.What]
			if v.What == "script" {
				why = "a hook on executions sees the interpreter, and not what it is given to read"
			}
			if seen := v.Before.Detected > 0; v.Before.N == 0 || seen != (why == "") {
				t.Errorf("%s: %d of %d threats of kind %s were detected before the update; missed because %q", c.ID, v.Before.Detected, v.Before.N, v.What, why)
			}
		}
		// One host's work is too little to see the hundredth that the others cost.
		byFanotify := missed[c.Fleet]["module"] == fanotify
		if m := c.Metrics["overhead"]; m.Value == nil || byFanotify && *m.Value <= 0 {
			t.Errorf("%s: overhead %s, want more than none of an agent that fanotify asks", c.ID, told(m))
		}
	}
	expectNothingOf(t, r.Run.ID)
}

// TestFieldsBehindTheInputs: which agents a criterion on a field takes down that no sensor supplies was predicted from the
// structs that the inputs lie in: agents/interpreter/README.md.
func TestFieldsBehindTheInputs(t *testing.T) {
	capability.VMs(t)
	p := startRun(t, t.TempDir(), "testdata/fields.hcl")
	p.expect(exitMet)
	expectNothingOf(t, p.results().Run.ID)
}
