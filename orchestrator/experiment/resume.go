package experiment

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fleetfall/fleetfall/orchestrator/draw"
	"github.com/fleetfall/fleetfall/results"
)

// takeUp opens the journal of the run that is to be resumed: what was to be run, and how far it came, is there.
func (r *run) takeUp() (err error) {
	if r.dir, err = filepath.EvalSymlinks(r.Resume); err != nil { // "latest" may point elsewhere tomorrow
		return fmt.Errorf("resume: %w", err)
	}
	if r.journal, r.before, err = results.Resume(filepath.Join(r.dir, results.JournalFile)); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if r.before.Draws != draw.ByIndex {
		return fmt.Errorf("resume run %s: it was begun by a fleetfall that drew otherwise; go on with that one, or run the scenario anew", r.before.RunID)
	}
	if len(r.before.Merged) > 0 {
		return fmt.Errorf("resume run %s: it was merged from shards; resume the shard that is not complete", r.before.RunID)
	}
	r.Plan, r.waves, r.verify, r.shard = r.before.Plan, r.before.Waves, r.before.Verify, r.before.Shard
	for _, t := range r.before.Trials {
		r.number = max(r.number, t.Number)
		r.consoles[results.PlaceName(t.Cell, t.Repeat, t.Wave, t.Verifies != 0)] = t.Number
	}
	r.Step(fmt.Sprintf("resuming run %s in %s; its machines are named for %s from here on", r.before.RunID, r.dir, r.id))
	return nil
}

// sameImages refuses to go on with other images than those that the run began with: its trials would differ in more than
// what the scenario says.
func (r *run) sameImages() error {
	for _, name := range slices.Sorted(maps.Keys(r.images)) {
		began, found := "", false
		for _, f := range r.before.Provenance.Facts {
			if f.Name == imageFact(name) {
				began, _, found = strings.Cut(f.Value, ",")
			}
		}
		switch digest := r.images[name].Digest; {
		case !found:
			return fmt.Errorf("resume run %s: its journal does not say from which image %s it was run", r.before.RunID, name)
		case began != digest:
			return fmt.Errorf("resume run %s: image %s is %s here and was %s when the run began; go on with the fleetfall that began it, or run the scenario anew",
				r.before.RunID, name, digest, began)
		}
	}
	return nil
}
