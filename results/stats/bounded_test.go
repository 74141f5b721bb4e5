package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// TestBoundedMeanOfOneHost: where all values are 0 or 1, the limits are Clopper and Pearson's, by the quantiles of
// the beta distribution.
func TestBoundedMeanOfOneHost(t *testing.T) {
	for n := 1; n <= 40; n++ {
		for k := range n + 1 {
			values := make([]float64, n)
			for i := range k {
				values[i] = 1
			}
			lo, hi := 0.0, 1.0
			if k > 0 {
				lo = distuv.Beta{Alpha: float64(k), Beta: float64(n - k + 1)}.Quantile(0.025)
			}
			if k < n {
				hi = distuv.Beta{Alpha: float64(k + 1), Beta: float64(n - k)}.Quantile(0.975)
			}
			iv := BoundedMean(values)
			near(t, "lower limit", iv.Lo, lo, 1e-8)
			near(t, "upper limit", iv.Hi, hi, 1e-8)
		}
	}
}

// TestWeightedAbove draws the weights: as exponentially distributed numbers over their sum.
func TestWeightedAbove(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	for _, knots := range [][]float64{
		{0, 1}, {0.2, 0.2, 1}, {0, 0, 0.5, 1, 1}, {0.1, 0.3, 0.30001, 0.7, 0.9, 1},
		{0, 0.25, 0.25, 0.25, 0.5, 0.5, 1, 1, 1},
	} {
		const draws = 40_000
		var means []float64
		for range draws {
			sum, weights := 0.0, 0.0
			for _, z := range knots {
				w := rng.ExpFloat64()
				sum, weights = sum+w*z, weights+w
			}
			means = append(means, sum/weights)
		}
		slices.Sort(means)
		scratch := make([]float64, len(knots))
		for _, q := range []float64{0.01, 0.025, 0.2, 0.5, 0.9, 0.975} {
			t1 := means[int(q*draws)]
			near(t, "probability", weightedAbove(knots, t1, scratch), 1-q, 4*math.Sqrt(q*(1-q)/draws)+1e-4)
		}
		if p := weightedAbove(knots, 1, scratch); p != 0 {
			t.Errorf("%v is above 1 with a probability of %v", knots, p)
		}
		if p := weightedAbove(knots, knots[0]-0.01, scratch); p != 1 {
			t.Errorf("%v is above less than its least with a probability of %v", knots, p)
		}
	}
}

func TestWeightedAboveOfEqualKnots(t *testing.T) {
	for at, want := range map[float64]float64{0.9: 1, 1: 0} {
		if p := weightedAbove([]float64{1, 1, 1}, at, make([]float64, 3)); p != want {
			t.Errorf("1 is above %v with a probability of %v, want %v", at, p, want)
		}
	}
}

func TestBoundedMeanProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(33, 34))
	for range 300 {
		values := make([]float64, 1+rng.IntN(15))
		mirrored, more := make([]float64, len(values)), make([]float64, len(values))
		for i := range values {
			values[i] = float64(rng.IntN(13)) / 12
			mirrored[i] = 1 - values[i]
			more[i] = values[i] + (1-values[i])*float64(rng.IntN(3))/4
		}
		iv, back, up := BoundedMean(values), BoundedMean(mirrored), BoundedMean(more)
		near(t, "mirrored", 1-back.Hi, iv.Lo, 1e-8)
		if m := stat.Mean(values, nil); iv.Lo < 0 || iv.Lo > m || m > iv.Hi || iv.Hi > 1 {
			t.Fatalf("%v: %v", values, iv)
		}
		if up.Lo < iv.Lo-1e-8 || up.Hi < iv.Hi-1e-8 {
			t.Fatalf("%v has %v, and %v, which is nowhere less, %v", values, iv, more, up)
		}
		// Each value seen twice as often: the interval narrows.
		if twice := BoundedMean(slices.Concat(values, values)); twice.Hi-twice.Lo > iv.Hi-iv.Lo {
			t.Fatalf("%v has %v, and twice of it %v", values, iv, twice)
		}
	}
	if iv := BoundedMean(make([]float64, 7)); iv.Lo != 0 {
		t.Errorf("all 0: %v, want a lower limit of exactly 0", iv)
	}
}
