package main

import (
	"strings"
	"testing"
)

// TestShardOf: the shard is what the flag says, or what a scheduler tells its task.
func TestShardOf(t *testing.T) {
	slurm := func(id, least, count, step string) map[string]string {
		return map[string]string{
			"SLURM_ARRAY_TASK_ID": id, "SLURM_ARRAY_TASK_MIN": least, "SLURM_ARRAY_TASK_COUNT": count, "SLURM_ARRAY_TASK_STEP": step,
		}
	}
	for _, test := range []struct {
		flag string
		env  map[string]string
		want string // the shard, or a part of the error
	}{
		{"", map[string]string{"CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "4"}, "none"},
		{"2/4", map[string]string{"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "9"}, "2/4"},
		{"1/1", nil, "1/1"},
		{"5/4", nil, "shard 5/4: shards are counted from 1/N to N/N"},
		{"0/4", nil, "shard 0/4: shards are counted from"},
		{"-1/4", nil, "shard -1/4: shards are counted from"},
		{"1/0", nil, "shard 1/0: shards are counted from"},
		{"1/10001", nil, "N is at most 10000"},
		{"2", nil, `shard "2": want which one of how many, as in "2/4"`},
		{"2/4/8", nil, `shard "2/4/8": want which`},
		{"a/b", nil, `shard "a/b": want which`},
		{"auto", nil, "the environment says nothing of it; looked for SLURM_ARRAY_TASK_ID (Slurm), JOB_COMPLETION_INDEX (Kubernetes)"},
		{"auto/x", nil, `want "auto", or "auto/N"`},
		{"auto/0", nil, `want "auto", or "auto/N"`},
		{"auto", slurm("1", "1", "4", "1"), "1/4"},
		{"auto", slurm("0", "0", "4", "1"), "1/4"},
		{"auto", slurm("17", "11", "4", "2"), "4/4"},
		{"auto", slurm("3", "0", "", ""), "it does not say of how many"},
		{"auto/8", slurm("3", "0", "", ""), "4/8"},
		{"auto", slurm("4", "1", "3", "2"), "its indices are not evenly spaced"},
		{"auto", slurm("9", "1", "3", "1"), "SLURM_ARRAY_TASK_ID is 9: shard 9/3"},
		{"auto", slurm("x", "1", "3", "1"), `SLURM_ARRAY_TASK_ID is "x", which is no number`},
		{"auto/5", slurm("1", "1", "4", "1"), "SLURM_ARRAY_TASK_COUNT is 4, not 5"},
		{"auto", map[string]string{"JOB_COMPLETION_INDEX": "0"}, "a task of Kubernetes, and it does not say of how many: say so, as in --shard auto/20"},
		{"auto/20", map[string]string{"JOB_COMPLETION_INDEX": "0"}, "1/20"},
		{"auto/20", map[string]string{"JOB_COMPLETION_INDEX": "19"}, "20/20"},
		{"auto/20", map[string]string{"JOB_COMPLETION_INDEX": "20"}, "shard 21/20"},
		{"auto", map[string]string{"CI_NODE_INDEX": "4", "CI_NODE_TOTAL": "4"}, "4/4"},
		{"auto", map[string]string{"CIRCLE_NODE_INDEX": "0", "CIRCLE_NODE_TOTAL": "4"}, "1/4"},
		{"auto", map[string]string{"BUILDKITE_PARALLEL_JOB": "3", "BUILDKITE_PARALLEL_JOB_COUNT": "4"}, "4/4"},
		{"auto", map[string]string{"AWS_BATCH_JOB_ARRAY_INDEX": "1", "AWS_BATCH_JOB_ARRAY_SIZE": "2"}, "2/2"},
	} {
		s, err := shardOf(test.flag, func(name string) string { return test.env[name] })
		got := "none"
		switch {
		case err != nil:
			got = err.Error()
		case s != nil:
			got = s.String()
		}
		if err == nil && got != test.want || err != nil && !strings.Contains(got, test.want) {
			t.Errorf("--shard %q with %v: %s, want %s", test.flag, test.env, got, test.want)
		}
	}
}
