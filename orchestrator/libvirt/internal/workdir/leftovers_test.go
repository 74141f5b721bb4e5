package workdir

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestRunsThatEndAreNoLeftovers looks for leftovers while a run that is not killed begins and ends.
func TestRunsThatEndAreNoLeftovers(t *testing.T) {
	top, err := os.MkdirTemp("", "fft-") // shorter than t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(top)
	root := filepath.Join(top, "l")
	ctx, cancel := context.WithCancel(t.Context())
	var looking sync.WaitGroup
	looking.Go(func() {
		for ctx.Err() == nil {
			if found, err := Leftovers(root); err != nil || len(found) > 0 {
				t.Errorf("%+v, %v", found, err)
				cancel()
			}
		}
	})
	for n := 0; n < 100 && ctx.Err() == nil; n++ {
		w, err := Create(Options{RunID: "brief001", Root: root})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Remove(); err != nil {
			t.Fatal(err)
		}
		if err := w.Remove(); err != nil {
			t.Errorf("removed twice: %v", err)
		}
	}
	cancel()
	looking.Wait()
}
