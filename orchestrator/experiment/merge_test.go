package experiment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/measure"
)

// runShards runs a plan in so many shards, where the testbed fails what it is told to, and returns their directories.
func runShards(t *testing.T, root string, of int, fails map[string]int) (dirs []string) {
	t.Helper()
	for i := range of {
		r := newRun(t, Config{Plan: manyPlan(t), Results: root})
		r.shard, r.atOnce = &results.Shard{Index: i + 1, Of: of}, 2
		b := newCrowd()
		b.fails = fails
		r.finish(t, t.Context(), b, false)
		if r.ended != r.all || r.all == 0 {
			t.Fatalf("%d of %d trials of shard %s have ended", r.ended, r.all, r.shard)
		}
		dirs = append(dirs, r.dir)
	}
	return dirs
}

// bySum are the trials of a journal by number, each as the sum of its last line and what ended it.
func bySum(t *testing.T, dir string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, results.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	var sums []string
	for _, m := range regexp.MustCompile(`(?m)^{"k":"trial_end","trial":(\d+),.*"what":"(\w+)".*"sum":"(\w+)"}$`).FindAllSubmatch(data, -1) {
		sums = append(sums, fmt.Sprintf("%03s %s %s", m[1], m[2], m[3]))
	}
	slices.Sort(sums)
	return sums
}

// TestMergedShardsAreTheRun of a single machine: the same trials to the byte, under the same numbers, and the same
// figures; also where the testbed failed some.
func TestMergedShardsAreTheRun(t *testing.T) {
	alone := newRun(t, Config{Plan: manyPlan(t), Results: t.TempDir()})
	alone.atOnce = 1
	crowd := newCrowd()
	crowd.fails = fails()
	want := alone.finish(t, t.Context(), crowd, false)

	root := t.TempDir()
	dirs := runShards(t, root, 4, fails())
	slices.Reverse(dirs)
	merged, err := Merge(t.Context(), MergeConfig{Runs: dirs, Results: root, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := results.ReadFile(filepath.Join(merged.Dir, results.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(bySum(t, alone.dir), bySum(t, merged.Dir)); diff != "" {
		t.Errorf("trials (-of one machine +merged):\n%s", diff)
	}
	if len(got.Trials) != 12 {
		t.Errorf("%d trials, want 9 and 3 that were run again", len(got.Trials))
	}
	but := cmpopts.IgnoreFields(results.Results{}, "Run", "Provenance")
	if diff := cmp.Diff(measure.Compute(want), measure.Compute(got), but); diff != "" {
		t.Errorf("results (-of one machine +merged):\n%s", diff)
	}
	earliest := got.Merged[0].Started
	for _, m := range got.Merged {
		if m.Started.Before(earliest) {
			earliest = m.Started
		}
	}
	if !got.Started.Equal(earliest) {
		t.Errorf("it started at %v, and the first of its shards at %v", got.Started, earliest)
	}
	if got.Shard != nil || len(got.Merged) != 4 || got.Merged[3].Shard.String() != "4/4" || got.Status != results.StatusComplete {
		t.Errorf("merged from %+v, %s", got.Merged, got.Status)
	}
	for _, name := range []string{"control_rapid-response_everyone_technicians-1", "control_rapid-response_everyone_technicians-1-trial4"} {
		if _, err := os.Stat(filepath.Join(merged.Dir, results.HostsDir, name, "console.log")); err != nil {
			t.Errorf("consoles: %v", err)
		}
	}
	if dir, err := filepath.EvalSymlinks(filepath.Join(root, "latest")); err != nil || filepath.Base(dir) != filepath.Base(merged.Dir) {
		t.Errorf("latest is %s, %v", dir, err)
	}
}

// TestShardKilled: a shard that is killed and resumed gives what it would have given, and each trial once.
func TestShardKilled(t *testing.T) {
	root := t.TempDir()
	dirs := runShards(t, root, 2, nil)
	want, err := Merge(t.Context(), MergeConfig{Runs: dirs, Results: root, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	r := newRun(t, Config{Plan: manyPlan(t), Results: root})
	r.shard = &results.Shard{Index: 2, Of: 2}
	ctx, cancel := context.WithCancel(t.Context())
	r.finish(t, ctx, &testbed{stop: cancel}, true)
	if _, err := Merge(t.Context(), MergeConfig{Runs: []string{dirs[0], r.dir}, Results: root}); err == nil ||
		!strings.Contains(err.Error(), "shard 2/2 in "+r.dir+" is interrupted; go on with it: fleetfall run --resume "+r.dir) {
		t.Errorf("half of a shard is merged: %v", err)
	}
	again := newRun(t, Config{Results: root, Resume: r.dir})
	again.finish(t, t.Context(), &testbed{}, false)
	got, err := Merge(t.Context(), MergeConfig{Runs: []string{dirs[0], r.dir}, Results: root, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(bySum(t, want.Dir), bySum(t, got.Dir)); diff != "" {
		t.Errorf("trials (-of a shard that went through +of one that was killed):\n%s", diff)
	}
}

// TestNotOneRun: what are not all the shards of one run is refused, and nothing is left of the try.
func TestNotOneRun(t *testing.T) {
	root := t.TempDir()
	dirs := runShards(t, root, 3, nil)
	halves := runShards(t, root, 2, nil)
	whole := newRun(t, Config{Plan: manyPlan(t), Results: root})
	whole.finish(t, t.Context(), &testbed{}, false)
	edited := func(name string, edit func(journal []byte) []byte) string {
		dir := filepath.Join(root, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dirs[2], results.JournalFile))
		if err != nil {
			t.Fatal(err)
		}
		now := edit(data)
		if bytes.Equal(now, data) {
			t.Fatalf("%s: nothing was edited", name)
		}
		if err := os.WriteFile(filepath.Join(dir, results.JournalFile), now, 0o644); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	// A header can be made anew by whoever runs shards: another shard's run is told by its own journal.
	begun := func(name string, change func(h *results.Header), more ...string) string {
		dir := filepath.Join(root, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		s, err := results.OpenSegments(filepath.Join(dirs[2], results.JournalFile))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var h results.Header
		data, err := json.Marshal(s.Header)
		if err == nil {
			err = json.Unmarshal(data, &h)
		}
		if err != nil {
			t.Fatal(err)
		}
		change(&h)
		w, err := results.Create(filepath.Join(dir, results.JournalFile), h)
		if err != nil {
			t.Fatal(err)
		}
		for i := range s.Trials {
			if err := s.Copy(w, i+1, i+1, 0); err != nil {
				t.Fatal(err)
			}
		}
		for _, dir := range more { // which has a trial too many
			other, err := results.OpenSegments(filepath.Join(dir, results.JournalFile))
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(other.Copy(w, 1, len(s.Trials)+1, 0), other.Close()); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.End(results.StatusComplete, "", results.Ending{}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for _, test := range []struct {
		name string
		runs []string
		want string
	}{
		{"nothing", nil, "want the directories of all shards"},
		{"one is missing", dirs[:2], "missing: shard 3/3"},
		{"two are missing", dirs[1:2], "missing: shard 1/3, 3/3"},
		{"one twice", append(dirs[:3:3], dirs[1]), "are both shard 2/3"},
		{"cut otherwise", append(dirs[:2:2], halves[1]), "they are not cut alike"},
		{"a whole run", append(dirs[:2:2], whole.dir), whole.dir + " is no shard: run it with --shard"},
		{"no run", append(dirs[:2:2], root), "no such file"},
		{"an entry is edited", append(dirs[:2:2], edited("edited", func(j []byte) []byte {
			return bytes.Replace(j, []byte(`"work_units":`), []byte(`"work_units":1`), 1)
		})), "damaged"},
		{"another seed", append(dirs[:2:2], begun("seed", func(h *results.Header) { h.Plan.Seed++ })), "not of one run: their plan is another"},
		{"another clock", append(dirs[:2:2], begun("clock", func(h *results.Header) { h.Provenance.Clock = "virtual" })), "their clock is another"},
		{"another image", append(dirs[:2:2], begun("image", func(h *results.Header) { h.Provenance.Facts[1].Value = "def, kernel 6" })), "image tiny was abc, kernel 6 in one of them alone"},
		{"another fleetfall", append(dirs[:2:2], begun("version", func(h *results.Header) {
			h.Provenance.Facts = append(h.Provenance.Facts, results.Fact{Name: "fleetfall", Value: "1.2"})
		})), "fleetfall was 1.2 in one of them alone"},
		{"another shard's trials", []string{dirs[0], begun("posing", func(h *results.Header) { h.Shard.Index = 2 }), dirs[2]}, "shard 2/3 in " + filepath.Join(root, "posing") + " lacks repeat"},
		{"a trial too many", append(dirs[:2:2], begun("more", func(*results.Header) {}, dirs[0])), "which is another shard's"},
	} {
		before := results.ListRuns(root)
		_, err := Merge(t.Context(), MergeConfig{Runs: test.runs, Results: root})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
		if diff := cmp.Diff(before, results.ListRuns(root)); diff != "" {
			t.Errorf("%s: runs (-before +after):\n%s", test.name, diff)
		}
	}
	// What does not decide may differ, and the merged run says where.
	other := begun("memory", func(h *results.Header) {
		h.Provenance.Facts = append(h.Provenance.Facts, results.Fact{Name: "memory", Value: "1 GiB"})
	})
	merged, err := Merge(t.Context(), MergeConfig{Runs: append(dirs[:2:2], other), Results: root})
	if err != nil {
		t.Fatal(err)
	}
	if want := (results.Fact{Name: "memory (shard 3/3)", Value: "1 GiB"}); !slices.Contains(merged.Results.Provenance.Facts, want) {
		t.Errorf("facts %+v", merged.Results.Provenance.Facts)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := results.ListRuns(root)
	if _, err := Merge(ctx, MergeConfig{Runs: dirs, Results: root}); err == nil {
		t.Error("merged, and it was interrupted")
	}
	if diff := cmp.Diff(before, results.ListRuns(root)); diff != "" {
		t.Errorf("interrupted: runs (-before +after):\n%s", diff)
	}
}

// TestMergedVerification: second runs verify the same first ones, under their numbers in the merged run, as on a single
// machine.
func TestMergedVerification(t *testing.T) {
	failsOne := func() map[string]int { return map[string]int{"user_rapid-response_everyone_technicians-0": 1} }
	plan := smallPlan(t)
	root := t.TempDir()
	verified := func(shard *results.Shard) string {
		r := newRun(t, Config{Plan: plan, Results: root})
		r.shard, r.verify, r.atOnce = shard, &results.Verify{}, 1
		r.finish(t, t.Context(), &testbed{fails: failsOne()}, false)
		return r.dir
	}
	alone := verified(nil)
	merged, err := Merge(t.Context(), MergeConfig{
		Runs: []string{verified(&results.Shard{Index: 1, Of: 2}), verified(&results.Shard{Index: 2, Of: 2})}, Results: root, Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	var journals []*results.Journal
	for _, dir := range []string{alone, merged.Dir} {
		j, err := results.ReadFile(filepath.Join(dir, results.JournalFile))
		if err != nil {
			t.Fatal(err)
		}
		journals = append(journals, j)
	}
	if diff := cmp.Diff(told(journals[0]), told(journals[1])); diff != "" {
		t.Errorf("trials (-of one machine +merged):\n%s", diff)
	}
	again := 0
	for i, trial := range journals[1].Trials {
		if trial.Verifies != journals[0].Trials[i].Verifies {
			t.Errorf("trial %d verifies trial %d, want %d", trial.Number, trial.Verifies, journals[0].Trials[i].Verifies)
		}
		if trial.Verifies != 0 {
			again++
		}
	}
	if got := merged.Results.Verification; again == 0 || len(got) != again || len(merged.Results.Unreliable()) > 0 {
		t.Errorf("%d second runs, %d verified: %+v", again, len(got), merged.Results.Unreliable())
	}
}
