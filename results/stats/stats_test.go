package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat"
)

func TestWilsonPublished(t *testing.T) {
	// R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998)
	// 857-872, table I, method 3.
	for _, tt := range []struct {
		successes, n int
		lo, hi       float64
	}{
		{81, 263, 0.2553, 0.3662},
		{15, 148, 0.0624, 0.1605},
		{0, 20, 0, 0.1611},
		{1, 29, 0.0061, 0.1718},
		{20, 20, 1 - 0.1611, 1},
		{0, 0, 0, 1},
	} {
		iv := Wilson(tt.successes, tt.n)
		near(t, "lower limit", iv.Lo, tt.lo, 5e-5+1e-9)
		near(t, "upper limit", iv.Hi, tt.hi, 5e-5+1e-9)
	}
	if iv := Wilson(0, 7); iv.Lo != 0 {
		t.Errorf("none of 7: %v, want a lower limit of exactly 0", iv)
	}
	if iv := Wilson(7, 7); iv.Hi != 1 {
		t.Errorf("7 of 7: %v, want an upper limit of exactly 1", iv)
	}
	for n := 1; n < 60; n++ {
		for k := range n + 1 {
			iv, mirrored := Wilson(k, n), Wilson(n-k, n)
			if p := float64(k) / float64(n); iv.Lo < 0 || iv.Lo > p || iv.Hi < p || iv.Hi > 1 {
				t.Errorf("%d of %d: %v", k, n, iv)
			}
			near(t, "mirrored", iv.Lo, 1-mirrored.Hi, 1e-12)
		}
	}
}

func TestMeanShare(t *testing.T) {
	// R. G. Newcombe, "Interval estimation for the difference between independent proportions", Statistics in Medicine 17 (1998)
	// 873-890, table II, method 10: a difference of two is twice the mean of the one and of what is left of the other, less 1.
	for _, tt := range []struct {
		a, b   Share
		lo, hi float64
	}{
		{Share{56, 70}, Share{48, 80}, 0.0524, 0.3339},
		{Share{9, 10}, Share{3, 10}, 0.1705, 0.8090},
		{Share{10, 10}, Share{0, 20}, 0.6791, 1},
	} {
		mean, iv := MeanShare(tt.a, Share{tt.b.N - tt.b.Successes, tt.b.N})
		near(t, "difference", 2*mean-1, float64(tt.a.Successes)/float64(tt.a.N)-float64(tt.b.Successes)/float64(tt.b.N), 1e-12)
		near(t, "lower limit", 2*iv.Lo-1, tt.lo, 5e-5+1e-9)
		near(t, "upper limit", 2*iv.Hi-1, tt.hi, 5e-5+1e-9)
	}
	if mean, iv := MeanShare(Share{5, 9}); mean != 5.0/9 || math.Abs(iv.Lo-Wilson(5, 9).Lo) > 1e-15 || math.Abs(iv.Hi-Wilson(5, 9).Hi) > 1e-15 {
		t.Errorf("the mean of one share is %v, %v, want Wilson's", mean, iv)
	}
	for _, bad := range [][]Share{nil, {{0, 0}}, {{3, 2}}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("MeanShare of %v did not panic", bad)
				}
			}()
			MeanShare(bad...)
		}()
	}
}

func mean(x []float64) float64 { return stat.Mean(x, nil) }

// TestBootstrapEnumerated compares with all n^n resamples of one cluster, which are few enough to list.
func TestBootstrapEnumerated(t *testing.T) {
	data := []float64{2, 3, 7, 19, 23}
	var all []float64
	for i := range 5 * 5 * 5 * 5 * 5 {
		sum := 0.0
		for j, r := 0, i; j < 5; j, r = j+1, r/5 { // i's digits to base 5 are the resample
			sum += data[r%5]
		}
		all = append(all, sum/5)
	}
	slices.Sort(all)
	iv, ok := Bootstrap([][]float64{data}, mean, Resampling{Resamples: 40000, Seed: 5})
	if !ok {
		t.Fatal("no interval")
	}
	near(t, "lower limit", iv.Lo, quantile(all, 0.025), 0.2)
	near(t, "upper limit", iv.Hi, quantile(all, 0.975), 0.2)
}

func TestBootstrapEdges(t *testing.T) {
	one := Resampling{Resamples: 200, Seed: 1}
	for name, clusters := range map[string][][]float64{"nothing": nil, "empty clusters": {{}, {}}, "one sample": {{}, {4}}} {
		if iv, ok := Bootstrap(clusters, mean, one); ok {
			t.Errorf("%s: %v, want no interval", name, iv)
		}
	}
	if iv, ok := Bootstrap([][]float64{{4, 4}, {4}}, mean, one); !ok || iv != (Interval{4, 4}) {
		t.Errorf("all equal: %v %v, want [4, 4]", iv, ok)
	}
	if iv, ok := Bootstrap([][]float64{{1, 2}}, func([]float64) float64 { return math.NaN() }, one); ok {
		t.Errorf("a statistic of NaN: %v, want no interval", iv)
	}
	data := [][]float64{{1, 5, 3}, {2, 8, 9, 4}, {7}}
	a, _ := Bootstrap(data, mean, one)
	b, _ := Bootstrap(data, mean, one)
	c, _ := Bootstrap(data, mean, Resampling{Resamples: 200, Seed: 2})
	if a != b || a == c {
		t.Errorf("seed 1: %v and %v, seed 2: %v; want the first two alike and the third different", a, b, c)
	}
	d, _ := Bootstrap([][]float64{{}, {1, 5, 3}, nil, {2, 8, 9, 4}, {7}}, mean, one)
	if d != a {
		t.Errorf("empty clusters change %v to %v", a, d)
	}
	type host struct{ lost float64 } // any element type will do
	hosts := [][]host{{{1}, {2}}, {{5}}}
	if _, ok := Bootstrap(hosts, func(h []host) float64 { return h[0].lost }, one); !ok {
		t.Error("no interval of a struct's field")
	}
}

// TestBootstrapCoverage measures how often the interval holds the true mean: the figures of Bootstrap's comment.
func TestBootstrapCoverage(t *testing.T) {
	if testing.Short() {
		t.Skip("a simulation of seconds")
	}
	for _, tt := range []struct {
		name            string
		betweenClusters float64 // standard deviation; 1 within
		lo, hi          float64
	}{
		{"no cluster effect", 0, 0.92, 0.99},
		{"cluster effect", 1, 0.79, 0.89},
	} {
		rng := rand.New(rand.NewPCG(7, 8))
		const runs = 1000
		held := 0
		for i := range uint64(runs) {
			clusters := make([][]float64, 3)
			for j := range clusters {
				shift := tt.betweenClusters * rng.NormFloat64()
				for range 4 {
					clusters[j] = append(clusters[j], shift+rng.NormFloat64())
				}
			}
			iv, ok := Bootstrap(clusters, mean, Resampling{Resamples: 500, Seed: i})
			if ok && iv.Lo <= 0 && 0 <= iv.Hi {
				held++
			}
		}
		coverage := float64(held) / runs
		t.Logf("%s: %.3f", tt.name, coverage)
		if coverage < tt.lo || coverage > tt.hi {
			t.Errorf("%s: the interval held the mean in %.1f %% of runs, want %v to %v", tt.name, 100*coverage, tt.lo, tt.hi)
		}
	}
}
