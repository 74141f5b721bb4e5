package cache

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestCacheLeftovers(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	if left, err := Leftovers(cache); len(left) > 0 || err != nil {
		t.Errorf("no cache: %q, %v", left, err)
	}
	want := []string{filepath.Join(cache, NewVerdict+"1"), filepath.Join(cache, "templates", NewTemplate+"2")}
	whole := []string{filepath.Join(cache, "accelerator-3.json"), filepath.Join(cache, "templates", "tiny-kernel-4")}
	for _, path := range append(slices.Clone(want), whole...) {
		if err := os.MkdirAll(filepath.Join(path, "memory"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	exist := func(paths []string) (n int) {
		for _, path := range paths {
			if _, err := os.Stat(path); err == nil {
				n++
			}
		}
		return n
	}
	// They are of one of two who write.
	first, err := Write(cache)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Write(cache)
	if err != nil {
		t.Fatal(err)
	}
	first()
	if left, err := RemoveLeftovers(cache); len(left) > 0 || err != nil || exist(want) != len(want) {
		t.Errorf("removed under who writes: %q, %v", left, err)
	}
	second()
	if left, err := Leftovers(cache); !slices.Equal(left, want) || err != nil || exist(want) != len(want) {
		t.Errorf("left: %q, %v, want %q", left, err, want)
	}
	if left, err := RemoveLeftovers(cache); !slices.Equal(left, want) || err != nil || exist(want) != 0 {
		t.Errorf("removed: %q, %v, want %q", left, err, want)
	}
	if exist(whole) != len(whole) {
		t.Error("what was whole is gone")
	}
}
