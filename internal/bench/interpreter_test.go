package main

import (
	"testing"

	"github.com/fleetfall/fleetfall/internal/capability"
)

func TestInterpreter(t *testing.T) {
	capability.Tools(t, "gcc", "gcc", "valgrind", "valgrind")
	t.Chdir("../..")
	rows, err := interpreter(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		t.Logf("%s: %s", r.name, r.measured)
	}
	// Its speed is for make bench to judge.
	if got := marks(rows); got != "kept" && got != "BROKEN" {
		t.Errorf("marks %q, want one promise", got)
	}
}

func TestEvaluationRows(t *testing.T) {
	for _, c := range []struct {
		interpreted, written []float64
		want                 string
	}{
		{[]float64{4, 9, 2}, []float64{2, 3, 2}, "kept"}, // 2 x, 3 x, 1 x
		{[]float64{4.1, 9, 2}, []float64{2, 3, 2}, "BROKEN"},
	} {
		if got := marks(evaluationRows(c.interpreted, c.written, 57, 24)); got != c.want {
			t.Errorf("%v against %v: %s, want %s", c.interpreted, c.written, got, c.want)
		}
	}
}
