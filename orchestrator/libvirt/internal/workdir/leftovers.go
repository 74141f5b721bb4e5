package workdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A Leftover is what a run left whose process is gone.
type Leftover struct {
	RunID  string
	Dir    string // its work directory
	RunDir string // its results directory; empty when not known
	Why    string // it is taken to be left

	URI   string // of a daemon that is not the run's own
	Store string // of that daemon, where it was chosen
	Known bool   // whose it was is known, URI too
}

// Leftovers lists what runs left below a root, sorted by run ID. Runs that still run are not among them. It changes
// nothing.
func Leftovers(workRoot string) ([]Leftover, error) {
	entries, err := os.ReadDir(workRoot)
	if err == nil {
		err = checkOurs(workRoot)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // no run has begun, or the last one has just ended
	}
	if err != nil {
		return nil, fmt.Errorf("look for leftovers: %w", err)
	}
	var found []Leftover
	for _, e := range entries {
		l := Leftover{RunID: e.Name(), Dir: filepath.Join(workRoot, e.Name())}
		if maker, ok := freshOwner(e.Name()); ok {
			// It was being made, or removed: its maker had nothing running.
			if !maker.Alive() {
				l.RunID, l.Why, l.Known = "", "its maker is gone", true
				found = append(found, l)
			}
			continue
		}
		if !e.IsDir() || !ValidRunID(e.Name()) {
			continue // not ours to judge
		}
		o, err := ReadOwner(l.Dir)
		switch {
		case err != nil:
			// It has had a whole owner file since it has its name: the disk was full, or the machine lost power.
			l.Why = "it names no owner: " + err.Error()
		case o.RunID != l.RunID:
			l.Why = fmt.Sprintf("its owner file is of run %q", o.RunID)
		case o.alive():
			continue
		default:
			l.Why, l.RunDir, l.Known = fmt.Sprintf("process %d is gone", o.Process.PID), o.RunDir, true
			l.URI, l.Store = o.URI, o.Store
		}
		if _, gone := os.Lstat(l.Dir); errors.Is(gone, fs.ErrNotExist) {
			continue // its run has just ended
		}
		found = append(found, l)
	}
	return found, nil
}
