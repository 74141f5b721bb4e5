package experiment

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/report"
)

// MergeConfig says which shards become one run.
type MergeConfig struct {
	Runs    []string // directories of the shards' runs, in any order
	Results string   // directory of results
	Version string   // of fleetfall, for provenance
}

// Merge makes one run of all shards of one, in a directory of its own: each trial as it was recorded, in the order in
// which a single machine would have numbered them, with the hosts' consoles. The shards stay as they are.
//
// The error says which shards are not those of one run: one is missing or there twice, is not complete, was cut from
// another plan or otherwise, or was run by another fleetfall or on other images.
func Merge(ctx context.Context, cfg MergeConfig) (finished *Finished, err error) {
	shards, err := openShards(cfg.Runs)
	defer func() {
		for _, s := range shards {
			err = errors.Join(err, s.Close())
		}
	}()
	if err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	order, err := inOrder(shards)
	if err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	first := shards[0].Header
	started := first.Started
	for _, s := range shards {
		if s.Started.Before(started) {
			started = s.Started
		}
	}
	id := newRunID()
	dir, err := results.CreateRunDir(cfg.Results, first.Plan.Scenario, id, started)
	if err != nil {
		return nil, err
	}
	header := first
	header.RunID, header.Started, header.Shard, header.AtOnce = id, started, nil, 0
	header.Merged, header.Provenance.Facts = merged(shards, cfg.Version)
	if err := mergeInto(ctx, dir, header, shards, order); err != nil {
		return nil, errors.Join(fmt.Errorf("merge: %w", err), os.RemoveAll(dir)) // the shards are all there still
	}
	r, err := report.Files(dir)
	if err == nil {
		err = results.PointLatest(cfg.Results, dir)
	}
	return &Finished{Dir: dir, Results: r, Trials: len(order), Ended: len(order)}, err
}

// mergeInto writes the journal of a merged run, and copies what lies beside it.
func mergeInto(ctx context.Context, dir string, header results.Header, shards []*shard, order []turn) error {
	w, err := results.Create(filepath.Join(dir, results.JournalFile), header)
	if err != nil {
		return err
	}
	numbers := map[*results.TrialRecord]int{}
	for i, t := range order {
		numbers[t.trial] = i + 1
	}
	err = copyTrials(ctx, w, shards, order, numbers)
	var took time.Duration
	for _, s := range shards {
		took += s.Took
	}
	if err == nil {
		err = w.End(results.StatusComplete, "", results.Ending{Duration: took, Facts: []results.Fact{}})
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	for _, s := range shards {
		if err := s.copyConsoles(dir, numbers); err != nil {
			return fmt.Errorf("shard %s: consoles: %w", s.Shard, err)
		}
	}
	return nil
}

// copyConsoles copies what is there of the hosts' consoles to the merged run's directory.
func (s *shard) copyConsoles(dir string, numbers map[*results.TrialRecord]int) error {
	from := filepath.Join(s.dir, results.HostsDir)
	places, err := os.ReadDir(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	names := map[string]string{} // of directories, and what they are called there
	for _, t := range s.Trials {
		place := results.PlaceName(t.Cell, t.Repeat, t.Wave, t.Verifies != 0)
		names[place] = place
		if n := numbers[t]; n > 0 {
			names[replacedName(place, t.Number)] = replacedName(place, n)
		}
	}
	for _, p := range places {
		if name, ok := names[p.Name()]; ok && err == nil {
			err = os.CopyFS(filepath.Join(dir, results.HostsDir, name), os.DirFS(filepath.Join(from, p.Name())))
		}
	}
	return err
}

func copyTrials(ctx context.Context, w *results.Writer, shards []*shard, order []turn, numbers map[*results.TrialRecord]int) error {
	for i, t := range order {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s := shards[t.shard]
		verifies := 0
		if t.trial.Verifies != 0 {
			verifies = numbers[s.Trials[t.trial.Verifies-1]]
		}
		if err := s.Copy(w, t.trial.Number, i+1, verifies); err != nil {
			return err
		}
	}
	return nil
}

// A shard is one that is to be merged.
type shard struct {
	*results.Segments
	dir string
}

// openShards opens all shards of one run, in their order.
func openShards(dirs []string) (shards []*shard, err error) {
	for _, dir := range dirs {
		s, err := results.OpenSegments(filepath.Join(dir, results.JournalFile))
		if err != nil {
			return shards, err
		}
		shards = append(shards, &shard{s, dir})
		switch {
		case s.Shard == nil:
			return shards, fmt.Errorf("%s is no shard: run it with --shard", dir)
		case s.Replays != "":
			return shards, fmt.Errorf("%s is a replay of a shard; give the shard itself", dir)
		case s.Status != results.StatusComplete:
			return shards, fmt.Errorf("shard %s in %s is %s; go on with it: fleetfall run --resume %s", s.Shard, dir, s.Status, dir)
		}
	}
	slices.SortStableFunc(shards, func(a, b *shard) int { return cmp.Compare(a.Shard.Index, b.Shard.Index) })
	return shards, oneRun(shards)
}

// oneRun returns an error unless the shards, in order, are all those of one run.
func oneRun(shards []*shard) error {
	if len(shards) == 0 {
		return errors.New("want the directories of all shards of a run")
	}
	first := shards[0]
	for _, s := range shards[1:] {
		if s.Shard.Of != first.Shard.Of {
			return fmt.Errorf("%s is shard %s, and %s is shard %s: they are not cut alike", first.dir, first.Shard, s.dir, s.Shard)
		}
	}
	there := map[int]*shard{}
	for _, s := range shards {
		if other := there[s.Shard.Index]; other != nil {
			return fmt.Errorf("%s and %s are both shard %s", other.dir, s.dir, s.Shard)
		}
		there[s.Shard.Index] = s
	}
	var missing []string
	for i := range first.Shard.Of {
		if there[i+1] == nil {
			missing = append(missing, results.Shard{Index: i + 1, Of: first.Shard.Of}.String())
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing: shard %s", strings.Join(missing, ", "))
	}
	for _, s := range shards[1:] {
		if what := differs(first.Journal, s.Journal); what != "" {
			return fmt.Errorf("shard %s in %s and shard %s in %s are not of one run: %s", first.Shard, first.dir, s.Shard, s.dir, what)
		}
	}
	return nil
}

// differs says in what two runs differ that have to be the same in all shards; "" when nothing does.
func differs(a, b *results.Journal) string {
	for _, x := range []struct {
		what string
		a, b any
	}{
		{"plan", a.Plan, b.Plan}, {"number of waves", a.Waves, b.Waves}, {"way to draw", a.Draws, b.Draws}, {"verification", a.Verify, b.Verify},
		{"clock", a.Provenance.Clock, b.Provenance.Clock},
	} {
		if text, other := said(x.a), said(x.b); text != other {
			return "their " + x.what + " is another"
		}
	}
	for _, x := range [][2]*results.Journal{{a, b}, {b, a}} {
		for _, f := range x[0].Provenance.Facts {
			if decides(f.Name) && !slices.Contains(x[1].Provenance.Facts, f) {
				return fmt.Sprintf("%s was %s in one of them alone", f.Name, f.Value)
			}
		}
	}
	return ""
}

// decides tells whether a fact of provenance has to be the same in all shards: what a trial shows may hang on it.
func decides(name string) bool {
	return name == "fleetfall" || name == "lookahead" || strings.HasPrefix(name, "QEMU") && !strings.HasPrefix(name, "QEMU runs as") ||
		strings.HasPrefix(name, imageFact("")) || strings.HasPrefix(name, "accelerator")
}

// said is a value as a journal has it.
func said(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// merged tells where each shard was run, and what is true of all of them.
func merged(shards []*shard, version string) (parts []results.Merged, facts []results.Fact) {
	facts = []results.Fact{{Name: "merged", Value: fmt.Sprintf("from %d shards, by fleetfall %s", len(shards), version)}}
	of := func(s *shard) []results.Fact {
		if s.Ending == nil {
			return s.Provenance.Facts
		}
		return slices.Concat(s.Provenance.Facts, s.Ending.Facts)
	}
	everywhere := func(f results.Fact) bool {
		return !slices.ContainsFunc(shards, func(s *shard) bool { return !slices.Contains(of(s), f) })
	}
	for _, f := range of(shards[0]) {
		if everywhere(f) {
			facts = append(facts, f)
		}
	}
	for _, s := range shards {
		parts = append(parts, results.Merged{RunID: s.RunID, Shard: *s.Shard, Started: s.Started, Took: s.Took, Trials: len(s.Trials)})
		facts = append(facts, results.Fact{Name: fmt.Sprintf("shard %s", s.Shard), Value: fmt.Sprintf("run %s, %d trials", s.RunID, len(s.Trials))})
		for _, f := range of(s) {
			if !everywhere(f) {
				facts = append(facts, results.Fact{Name: fmt.Sprintf("%s (shard %s)", f.Name, s.Shard), Value: f.Value})
			}
		}
	}
	return parts, facts
}

// A turn is a trial of a merged run.
type turn struct {
	shard int
	trial *results.TrialRecord
	round int // 1 for what is run again behind all others
	plan  int // its place in the plan
}

// inOrder are the trials of all shards that came to an end, in the order in which a single machine runs them. Each shard
// has to have those that are its own.
func inOrder(shards []*shard) (order []turn, err error) {
	planned := orchestrator.Trials(shards[0].Plan, shards[0].Waves)
	at := map[string]int{}
	for i, t := range planned {
		at[results.PlaceName(t.Cell.ID, t.Repeat, t.Wave, false)] = i
	}
	for i, s := range shards {
		share, err := orchestrator.Share(planned, *s.Shard)
		if err != nil {
			return nil, err
		}
		own := map[string]bool{}
		for _, t := range share {
			own[results.PlaceName(t.Cell.ID, t.Repeat, t.Wave, false)] = true
			if !s.Finished(t.Cell.ID, t.Repeat, t.Wave, false) {
				return nil, fmt.Errorf("shard %s in %s lacks repeat %d of cell %s", s.Shard, s.dir, t.Repeat+1, t.Cell.ID)
			}
		}
		rounds := map[int]int{}
		for _, t := range s.Trials {
			place := results.PlaceName(t.Cell, t.Repeat, t.Wave, false)
			if !own[place] {
				return nil, fmt.Errorf("shard %s in %s has repeat %d of cell %s, which is another shard's", s.Shard, s.dir, t.Repeat+1, t.Cell)
			}
			if t.Status == results.StatusInterrupted { // another one took its place
				continue
			}
			if t.Attempt != 0 {
				rounds[t.Number]++
			}
			if t.Verifies != 0 {
				rounds[t.Number] += rounds[t.Verifies]
			}
			order = append(order, turn{shard: i, trial: t, round: rounds[t.Number], plan: at[place]})
		}
	}
	slices.SortStableFunc(order, func(a, b turn) int { return cmp.Or(cmp.Compare(a.round, b.round), cmp.Compare(a.plan, b.plan)) })
	return order, nil
}
