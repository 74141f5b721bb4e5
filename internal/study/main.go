// Study holds the intervals of several runs of one scenario against what the runs say together: how many hold the grand
// mean, and how many hold another run's figure. Its arguments are directories of runs.
//
//	go run ./internal/study RUN...
package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/stats"
)

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "study:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, dirs []string) error {
	if len(dirs) < 2 {
		return errors.New("want the directories of two runs or more")
	}
	var runs []*results.Results
	for _, dir := range dirs {
		f, err := os.Open(filepath.Join(dir, results.ResultsFile))
		if err != nil {
			return err
		}
		r, err := results.Decode(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		runs = append(runs, r)
		if err := fits(r, runs[:len(runs)-1]); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return write(w, runs, figures(runs))
}

// fits returns an error unless r is a complete run of what the others are runs of, and none of them again: a run agrees with
// itself, and would count as evidence.
func fits(r *results.Results, others []*results.Results) error {
	if r.Run.Status != results.StatusComplete {
		return fmt.Errorf("the run is %s; want complete runs, so resume it", r.Run.Status)
	}
	for _, o := range others {
		if r.Run.ID == o.Run.ID {
			return fmt.Errorf("run %s is given twice; name each run once", r.Run.ID)
		}
		same := slices.EqualFunc(r.Cells, o.Cells, func(a, b results.Cell) bool { return a.ID == b.ID })
		if r.Scenario.Name != o.Scenario.Name || r.Scenario.Repeat != o.Scenario.Repeat || !same {
			return fmt.Errorf("a run of %s, %d repeats, with other cells or repeats than run %s of %s; want runs of one scenario",
				r.Scenario.Name, r.Scenario.Repeat, o.Run.ID, o.Scenario.Name)
		}
	}
	return nil
}

// A figure is one metric of one cell in all runs that have it.
type figure struct {
	cell, metric string
	of           []results.Metric
}

// figures are those that have an interval in some run, in the order of cells and names.
func figures(runs []*results.Results) []figure {
	var out []figure
	for i, c := range runs[0].Cells {
		for _, name := range slices.Sorted(maps.Keys(c.Metrics)) {
			f := figure{cell: c.ID, metric: name}
			intervals := false
			for _, r := range runs {
				if m := r.Cells[i].Metrics[name]; m.Value != nil {
					f.of = append(f.of, m)
					intervals = intervals || m.Level > 0
				}
			}
			if intervals {
				out = append(out, f)
			}
		}
	}
	return out
}

// mean is the grand mean.
func (f figure) mean() float64 {
	sum := 0.0
	for _, m := range f.of {
		sum += *m.Value
	}
	return sum / float64(len(f.of))
}

// A count is how many of n intervals hold what they are held against.
type count struct{ held, n int }

func (c *count) add(m results.Metric, v float64) {
	c.n++
	if m.Holds(v) {
		c.held++
	}
}

func (c count) String() string { return fmt.Sprintf("%d of %d", c.held, c.n) }

// kind is what an interval is made by.
func kind(m results.Metric) string {
	switch {
	case m.OneSided:
		return "shares that are all 0 or all 1"
	case m.Unit == "share":
		return "shares"
	case m.Level == stats.MeanLevel:
		return "means"
	}
	return "medians"
}

func write(w io.Writer, runs []*results.Results, all []figure) error {
	grand, others := map[string]*count{}, map[string]*count{}
	levels := map[string]float64{}
	at := func(of map[string]*count, kind string) *count {
		if of[kind] == nil {
			of[kind] = &count{}
		}
		return of[kind]
	}
	fmt.Fprintf(w, "%d runs of %s, %d repeats each.\n\n| cell | metric | grand mean | intervals that hold it |\n| --- | --- | --: | --: |\n",
		len(runs), runs[0].Scenario.Name, runs[0].Scenario.Repeat)
	for _, f := range all {
		mean, own := f.mean(), count{}
		for i, m := range f.of {
			if m.Level == 0 {
				continue
			}
			own.add(m, mean)
			at(grand, kind(m)).add(m, mean)
			levels[kind(m)] = max(levels[kind(m)], m.Level)
			for j, other := range f.of {
				if i != j {
					at(others, kind(m)).add(m, *other.Value)
				}
			}
		}
		fmt.Fprintf(w, "| %s | %s | %.6g | %s |\n", f.cell, f.metric, mean, own)
	}
	fmt.Fprint(w, "\n| kind | level | hold the grand mean | hold another run's figure |\n| --- | --: | --: | --: |\n")
	for _, k := range slices.Sorted(maps.Keys(grand)) {
		if _, err := fmt.Fprintf(w, "| %s | %.3g %% | %s | %s |\n", k, 100*levels[k], grand[k], at(others, k)); err != nil {
			return err
		}
	}
	return nil
}
