package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

const loadData = "/run/load.data" // what the workload of kind "read" reads

// A loadKind is a kind of workload.
type loadKind struct {
	what    string
	command []string
}

func loadKinds(dir string) []loadKind {
	return []loadKind{
		{"exec", []string{dir + "/work"}},
		{"open", []string{dir + "/load", "open"}},
		{"read", []string{dir + "/load", "read"}},
		{"build", []string{dir + "/load", "build"}},
	}
}

// makeLoadData makes the file that the workload reads.
func makeLoadData(path string) error {
	if err := os.WriteFile(path, make([]byte, 256<<10), 0o644); err != nil {
		return fmt.Errorf("making the workload's file: %w", err)
	}
	return nil
}

// work does one unit of the workload every so often, the kinds in turn, until ctx ends; none if every is 0. It begins as
// late as the phase says.
func work(ctx context.Context, every, phase time.Duration, kinds []loadKind, t *tally) {
	units := 0
	if every <= 0 || !wait(ctx, within(phase, every)) {
		return
	}
	repeat(ctx, every, func() {
		kind := kinds[units%len(kinds)]
		units++
		watch(patience, func() error { return execute(kind.command...) }, func(took time.Duration, err error) {
			t.work(kind.what, took, err)
		})
	})
}
