package architecture

import (
	"slices"
	"testing"
)

// Messages and golden files rely on the order, and maps that are keyed by names on each being another.
func TestNames(t *testing.T) {
	names := Names()
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) || !slices.Contains(names, None) {
		t.Errorf("want each name once, sorted, and %q among them: %q", None, names)
	}
}
