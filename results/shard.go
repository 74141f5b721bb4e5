package results

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxShards bounds the parts that a run is cut into.
const maxShards = 10_000

// A Shard is a part of a run's trials that is run by itself, here or on another machine: one of so many, counted from 1.
// Which trials it has follows from the plan. Once all shards of a run are there, they are merged into one.
type Shard struct {
	Index int `json:"index"`
	Of    int `json:"of"`
}

// String is "2/4".
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Of) }

// ParseShard is the inverse of Shard.String.
func ParseShard(text string) (Shard, error) {
	index, of, ok := strings.Cut(text, "/")
	i, err := strconv.Atoi(index)
	n, nErr := strconv.Atoi(of)
	s := Shard{i, n}
	if !ok || err != nil || nErr != nil {
		return Shard{}, fmt.Errorf(`shard %q: want which one of how many, as in "2/4"`, text)
	}
	return s, s.Check()
}

// Check is an error unless the shard is one of those that there are.
func (s Shard) Check() error {
	if s.Of < 1 || s.Of > maxShards || s.Index < 1 || s.Index > s.Of {
		return fmt.Errorf("shard %s: shards are counted from 1/N to N/N, and N is at most %d", s, maxShards)
	}
	return nil
}

// Merged is one of the shards that a merged run is of: how each was run, where that is not as all others were.
type Merged struct {
	RunID   string        `json:"run_id"`
	Shard   Shard         `json:"shard"`
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"duration_ns"` // wall-clock
	Trials  int           `json:"trials"`      // that it gave
	Facts   []Fact        `json:"facts"`       // of its provenance and its end, that are not all shards'
}
