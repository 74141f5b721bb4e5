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

// latestRun is the directory and the results of the newest run of a scenario whose duration is that of its trials, each run once in one
// go: complete, not resumed, not verified and not a replay. The error is fs.ErrNotExist when there is none.
func latestRun(root, scenario string) (string, *results.Results, error) {
	runs, err := filepath.Glob(filepath.Join(root, scenario+"-[0-9]*"))
	if err != nil {
		return "", nil, err
	}
	slices.Sort(runs) // their names go on with the time
	for _, dir := range slices.Backward(runs) {
		f, err := os.Open(filepath.Join(dir, results.ResultsFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue // killed, or still going
		}
		if err != nil {
			return "", nil, err
		}
		r, err := results.Decode(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return "", nil, err
		}
		if r.Run.Status == results.StatusComplete && r.Run.Replays == "" && len(r.Run.Resumed) == 0 && len(r.Verification) == 0 {
			return dir, r, nil
		}
	}
	return "", nil, fmt.Errorf("no whole run of %s in %s: %w", scenario, root, fs.ErrNotExist)
}

// runsRoot is where runs of this checkout are.
var runsRoot = filepath.Join("results", "runs")

func reportSize(context.Context, string, vmimages.Image) (row, error) {
	out := row{name: "report of the latest demo", bound: "under 500 KB", mark: skipped}
	dir, _, err := latestRun(runsRoot, "channel-file-291")
	if errors.Is(err, fs.ErrNotExist) {
		out.measured = "not made here: make demo"
		return out, nil
	}
	if err != nil {
		return row{}, err
	}
	info, err := os.Stat(filepath.Join(dir, results.ReportFile))
	if err != nil {
		return row{}, err
	}
	out.measured, out.mark = fmt.Sprintf("%.0f KB", float64(info.Size())/1e3), held(info.Size() < 500e3)
	return out, nil
}

// matrixTime is how long the latest run of the matrix took. A run of it here would take longer than all else together.
func matrixTime(context.Context, string, vmimages.Image) (row, error) {
	out := row{name: "the whole matrix, three hosts a cell, on the virtual clock: its latest run", bound: "under " + matrixWithin.String(), mark: skipped}
	_, r, err := latestRun(runsRoot, "matrix")
	if errors.Is(err, fs.ErrNotExist) {
		out.measured = "not run here: fleetfall run matrix"
		return out, nil
	}
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
	for _, f := range r.Provenance.Facts {
		if f.Name == "where the time went" {
			out.measured += "; of it " + f.Value
		}
	}
	if r.Provenance.Clock == "virtual" && hosts == 3*len(r.Cells) && samples == hosts {
		out.mark = held(took < matrixWithin)
	}
	return out
}
