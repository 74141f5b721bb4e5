package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fleetfall/fleetfall/results"
)

// A scheduler is how one tells a task which of how many it is: by the environment of its process.
type scheduler struct {
	name  string
	index string // variable
	of    string // variable; "" when it does not say
	first int    // of its indices
	least string // variable that says what the first index is; "" where that is always the same
	step  string // variable that says by how much indices differ; "" where that is always 1
}

// schedulers are those that are known. Their variables are documented by each: sbatch(1), "Jobs" of Kubernetes
// (completionMode Indexed), "Predefined CI/CD variables" of GitLab, "Built-in environment variables" of CircleCI,
// "Environment variables" of Buildkite, "Array jobs" of AWS Batch.
var schedulers = []scheduler{
	{name: "Slurm", index: "SLURM_ARRAY_TASK_ID", of: "SLURM_ARRAY_TASK_COUNT", least: "SLURM_ARRAY_TASK_MIN", step: "SLURM_ARRAY_TASK_STEP"},
	{name: "Kubernetes", index: "JOB_COMPLETION_INDEX"},
	{name: "GitLab", index: "CI_NODE_INDEX", of: "CI_NODE_TOTAL", first: 1},
	{name: "CircleCI", index: "CIRCLE_NODE_INDEX", of: "CIRCLE_NODE_TOTAL"},
	{name: "Buildkite", index: "BUILDKITE_PARALLEL_JOB", of: "BUILDKITE_PARALLEL_JOB_COUNT"},
	{name: "AWS Batch", index: "AWS_BATCH_JOB_ARRAY_INDEX", of: "AWS_BATCH_JOB_ARRAY_SIZE"},
}

// auto asks for the shard that a scheduler's environment names.
const auto = "auto"

// shardOf reads --shard: "2/4", or "auto" or "auto/4" for what the environment says.
func shardOf(text string, env func(name string) string) (*results.Shard, error) {
	if text == "" {
		return nil, nil
	}
	kind, count, counted := strings.Cut(text, "/")
	if kind != auto {
		s, err := results.ParseShard(text)
		return &s, err
	}
	of := 0
	if counted {
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 {
			return nil, fmt.Errorf(`shard %q: want "auto", or "auto/N" for one of N`, text)
		}
		of = n
	}
	for _, known := range schedulers {
		if env(known.index) != "" {
			s, err := known.shard(of, env)
			if err != nil {
				return nil, fmt.Errorf("shard %s: the environment is that of a task of %s, and %w", text, known.name, err)
			}
			return s, nil
		}
	}
	var names []string
	for _, known := range schedulers {
		names = append(names, known.index+" ("+known.name+")")
	}
	return nil, fmt.Errorf("shard %s: the environment says nothing of it; looked for %s", text, strings.Join(names, ", "))
}

// shard is the one that the environment names, of so many; 0 leaves that to the environment.
func (k scheduler) shard(of int, env func(name string) string) (*results.Shard, error) {
	var failed error
	number := func(name string, otherwise int) int {
		if name == "" || env(name) == "" {
			return otherwise
		}
		n, err := strconv.Atoi(env(name))
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s is %q, which is no number", name, env(name)))
		}
		return n
	}
	index, total := number(k.index, 0), number(k.of, 0)
	least, step := number(k.least, k.first), number(k.step, 1)
	switch {
	case failed != nil:
		return nil, failed
	case of == 0 && total == 0:
		return nil, errors.New("it does not say of how many: say so, as in --shard auto/20")
	case of != 0 && total != 0 && of != total:
		return nil, fmt.Errorf("%s is %d, not %d", k.of, total, of)
	case step < 1 || (index-least)%step != 0:
		return nil, fmt.Errorf("%s is %d: its indices are not evenly spaced, so name the shard, as in --shard 2/4", k.index, index)
	}
	s := results.Shard{Index: (index-least)/step + 1, Of: max(of, total)}
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("%s is %d: %w", k.index, index, err)
	}
	return &s, nil
}
