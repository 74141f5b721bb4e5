package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt"
	"github.com/fleetfall/fleetfall/results"
)

// TestShards: two shards merged are the run of a single machine, but for times within the tolerance.
func TestShards(t *testing.T) {
	t.Parallel()
	alone := start(t, "", "--clock", "virtual")
	shards := []*process{
		start(t, "", "--clock", "virtual", "--shard", "1/2"), start(t, "", "--clock", "virtual", "--shard", "2/2"),
	}
	merged := &process{t: t, dir: t.TempDir()}
	merge := exec.Command("fleetfall", "--results", merged.dir, "merge")
	for _, p := range shards {
		p.expect(exitMet)
		if said := strings.Join(strings.Fields(p.stdout.String()), " "); !strings.Contains(said, "This is shard") {
			t.Errorf("it does not say that it is a shard:\n%s", said)
		}
		merge.Args = append(merge.Args, filepath.Join(p.dir, "latest"))
	}
	if out, err := merge.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	alone.expect(exitMet)
	want, got := alone.journal(), merged.journal()
	if len(got.Trials) != len(want.Trials) || len(got.Merged) != 2 || got.Status != results.StatusComplete {
		t.Fatalf("%d trials from %d shards, want %d from 2", len(got.Trials), len(got.Merged), len(want.Trials))
	}
	for i, w := range want.Trials {
		g := got.Trials[i]
		if g.Cell != w.Cell || g.Seed != w.Seed || g.Status != w.Status || len(g.Events) != len(w.Events) {
			t.Errorf("trial %d is %s, %s with %d events, want %s, %s with %d", i+1, g.Cell, g.Status, len(g.Events), w.Cell, w.Status, len(w.Events))
			continue
		}
		for n, e := range w.Events {
			other := g.Events[n]
			if other.Host != e.Host || other.What.Kind() != e.What.Kind() || (other.At-e.At).Abs() > libvirt.Tolerance {
				t.Errorf("trial %d: event %d is %v, want %v", i+1, n+1, other, e)
			}
		}
	}
}
