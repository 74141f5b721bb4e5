package results

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Files of a run's directory.
const (
	JournalFile    = "journal.jsonl"
	ResultsFile    = "results.json"
	ReportFile     = "report.html"
	SummaryFile    = "summary.md"
	ScenarioFile   = "scenario.hcl"
	ProvenanceFile = "provenance.json"
	HostsDir       = "hosts" // <PlaceName>[-trial<replaced>]/<host>/ below it: console.log and, of a crash dump, memory.dump and kernel.log
)

// PlaceName names what a trial fills, in the names of files: cell, repeat, the wave of a fleet that is not whole, and
// that it is a second run.
func PlaceName(cell string, repeat, wave int, again bool) string {
	name := fmt.Sprintf("%s-%d", strings.ReplaceAll(cell, "/", "_"), repeat)
	if wave > 0 {
		name += fmt.Sprintf("-wave%d", wave)
	}
	if again {
		name += "-again"
	}
	return name
}

// Directories below that of results.
const (
	runsDir    = "runs"
	replaysDir = "replays" // those of earlier fleetfalls are among the runs
)

// CreateRunDir makes <root>/runs/<scenario>-<time>-<id>.
func CreateRunDir(root, scenario, id string, started time.Time) (string, error) {
	return createDir(filepath.Join(root, runsDir), scenario, id, started)
}

// CreateReplayDir makes <root>/replays/<scenario>-<time>-<id>.
func CreateReplayDir(root, scenario, id string, started time.Time) (string, error) {
	return createDir(filepath.Join(root, replaysDir), scenario, id, started)
}

func createDir(below, scenario, id string, started time.Time) (string, error) {
	dir := filepath.Join(below, fmt.Sprintf("%s-%s-%s", scenario, started.UTC().Format("20060102T150405Z"), id))
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("make the run's directory: %w", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the run's directory: %w", err)
	}
	return dir, nil
}

// PointLatest lets <root>/latest point to a run's directory, which CreateRunDir made.
func PointLatest(root, dir string) error {
	latest := filepath.Join(root, "latest")
	next := filepath.Join(root, ".latest-"+filepath.Base(dir))
	if err := os.Symlink(filepath.Join(runsDir, filepath.Base(dir)), next); err != nil {
		return fmt.Errorf("point %s to the run: %w", latest, err)
	}
	if err := os.Rename(next, latest); err != nil {
		return errors.Join(fmt.Errorf("point %s to the run: %w", latest, err), os.Remove(next))
	}
	return nil
}

// FindRun turns what a user names a run or a replay by into its directory: a path to it or to its journal, or its ID or
// the name of its directory below root; "latest" is the newest run.
func FindRun(root, name string) (string, error) {
	if info, err := os.Stat(name); err == nil {
		if !info.IsDir() {
			name = filepath.Dir(name)
		}
		if _, err := os.Stat(filepath.Join(name, JournalFile)); err == nil {
			return name, nil
		}
	}
	candidates := []string{filepath.Join(root, name)}
	for _, place := range []string{runsDir, replaysDir} {
		candidates = append(candidates, filepath.Join(root, place, name))
		if byID, err := filepath.Glob(filepath.Join(root, place, "*-"+filepath.Base(name))); err == nil {
			candidates = append(candidates, byID...)
		}
	}
	for _, dir := range candidates {
		if _, err := os.Stat(filepath.Join(dir, JournalFile)); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no run %q: neither a directory with a %s nor the name or ID of one below %s", name, JournalFile, filepath.Join(root, runsDir))
}

// ListRuns are the names of the runs' directories below root, sorted.
func ListRuns(root string) []string {
	journals, err := filepath.Glob(filepath.Join(root, runsDir, "*", JournalFile))
	if err != nil {
		return nil // root holds a pattern's characters, in a way that is none
	}
	var names []string
	for _, path := range journals {
		names = append(names, filepath.Base(filepath.Dir(path)))
	}
	return names
}

// WriteFile writes a file of the run's directory so that it is either whole or as it was.
func WriteFile(dir, name string, data []byte) error {
	tmp, err := os.CreateTemp(dir, "."+name+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(tmp.Name()))
	}
	return nil
}
