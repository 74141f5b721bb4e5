package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/vmimages"
)

// matrixWithin is how long the whole matrix may take, with three hosts a cell.
const matrixWithin = 40 * time.Minute

// latestRun is the directory of the newest run of a scenario; an error that is fs.ErrNotExist when there is none.
func latestRun(scenario string) (string, error) {
	runs, err := filepath.Glob(filepath.Join("results", "runs", scenario+"-[0-9]*"))
	if err != nil {
		return "", err
	}
	if len(runs) == 0 {
		return "", fmt.Errorf("no run of %s in results/runs: %w", scenario, fs.ErrNotExist)
	}
	return slices.Max(runs), nil // their names go on with the time
}

func reportSize(context.Context, string, vmimages.Image) (row, error) {
	dir, err := latestRun("channel-file-291")
	if err != nil {
		return row{}, fmt.Errorf("%w; run make demo first", err)
	}
	info, err := os.Stat(filepath.Join(dir, results.ReportFile))
	if err != nil {
		return row{}, err
	}
	return row{"report of the latest demo", fmt.Sprintf("%.0f KB", float64(info.Size())/1e3), "under 500 KB", held(info.Size() < 500e3)}, nil
}

// matrixTime is how long the latest run of the matrix took. A run of it here would take longer than all else together.
func matrixTime(context.Context, string, vmimages.Image) (row, error) {
	out := row{name: "the whole matrix, three hosts a cell, on the virtual clock: its latest run", bound: "under " + matrixWithin.String(), mark: skipped}
	dir, err := latestRun("matrix")
	if errors.Is(err, fs.ErrNotExist) {
		out.measured = "not run here: fleetfall run matrix"
		return out, nil
	}
	if err != nil {
		return row{}, err
	}
	f, err := os.Open(filepath.Join(dir, results.ResultsFile))
	if err != nil {
		return row{}, err
	}
	defer f.Close()
	r, err := results.Decode(f)
	if err != nil {
		return row{}, err
	}
	return matrixRow(out, r), nil
}

// matrixRow says what a run of the matrix took, if it is one that the promise is about.
func matrixRow(out row, r *results.Results) row {
	hosts, samples := 0, 0
	for _, c := range r.Cells {
		hosts += c.Hosts
		samples += len(c.HostsDetail)
	}
	took := time.Duration(r.Run.Duration * float64(time.Second))
	out.measured = fmt.Sprintf("%s for %d cells with %d hosts, %d samples", took.Round(time.Second), len(r.Cells), hosts, samples)
	if r.Run.Status == results.StatusComplete && r.Provenance.Clock == "virtual" && hosts == 3*len(r.Cells) && samples == hosts {
		out.mark = held(took < matrixWithin)
	}
	return out
}
