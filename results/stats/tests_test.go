package stats

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestLogRankTextbook(t *testing.T) {
	// Kleinbaum and Klein, section "The log-rank test for two groups": 16.793 on 1 degree of freedom, 9 against 19.25
	// and 21 against 10.75 expected events.
	test, err := LogRank(mercaptopurine, placebo)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "chi-square", test.Chi2, 16.793, 5e-4)
	near(t, "expected, 6-MP", test.Expected[0], 19.25, 5e-3)
	near(t, "expected, placebo", test.Expected[1], 10.75, 5e-3)
	near(t, "P", test.P, math.Erfc(math.Sqrt(16.793/2)), 1e-7)
	if test.DF != 1 || test.Observed[0] != 9 || test.Observed[1] != 21 {
		t.Errorf("%+v, want 9 and 21 events and 1 degree of freedom", test)
	}
}

func TestLogRankProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		a, b, c := randomObservations(rng, 12), randomObservations(rng, 9), randomObservations(rng, 15)
		ab, err := LogRank(a, b)
		if err != nil {
			t.Fatal(err)
		}
		ba, _ := LogRank(b, a)
		near(t, "swapped chi-square", ba.Chi2, ab.Chi2, 1e-9)
		abc, err := LogRank(a, b, c)
		if err != nil {
			t.Fatal(err)
		}
		cab, _ := LogRank(c, a, b)
		near(t, "rotated chi-square", cab.Chi2, abc.Chi2, 1e-9)
		sum := func(x []float64) (s float64) {
			for _, v := range x {
				s += v
			}
			return s
		}
		near(t, "expected events in all", sum(abc.Expected), sum(abc.Observed), 1e-9)
		if abc.DF != 2 || abc.P < 0 || abc.P > 1 {
			t.Fatalf("%+v", abc)
		}
		// A rank test: any increasing change of the clock leaves it as it is.
		stretch := func(obs []Observation) []Observation {
			obs = slices.Clone(obs)
			for i := range obs {
				obs[i].Time = obs[i].Time*obs[i].Time + 1
			}
			return obs
		}
		stretched, _ := LogRank(stretch(a), stretch(b))
		near(t, "stretched chi-square", stretched.Chi2, ab.Chi2, 1e-9)
		same, err := LogRank(a, a)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "chi-square of a group with itself", same.Chi2, 0, 1e-9)
	}
}

func TestLogRankUndefined(t *testing.T) {
	some := survival("1 2 3")
	for name, groups := range map[string][][]Observation{
		"one group":      {some},
		"empty group":    {some, nil},
		"no events":      {survival("1+ 2+"), survival("3+")},
		"never compared": {survival("1+ 2+"), survival("3 4")},
	} {
		if test, err := LogRank(groups...); err == nil {
			t.Errorf("%s: %+v, want an error", name, test)
		}
	}
}

func TestMannWhitneyTextbook(t *testing.T) {
	tests := []struct {
		name      string
		a, b      []float64
		u, p, tol float64
		exact     bool
	}{
		// Hollander and Wolfe, example 4.1: permeability of the human chorioamnion at term and at 12 to 26 weeks. One-sided
		// P = 0.1272.
		{"Hollander and Wolfe 4.1",
			[]float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46},
			[]float64{1.15, 0.88, 0.90, 0.74, 1.21}, 35, 2 * 0.1272, 2e-4, true},
		// Ozone in May and August, R's data set airquality; R's manual page of wilcox.test prints W = 127.5 and
		// p-value = 0.0001208 for it (Hollander and Wolfe, problem 4.20, has the same data). Many ties.
		{"ozone",
			[]float64{41, 36, 12, 18, 28, 23, 19, 8, 7, 16, 11, 14, 18, 14, 34, 6, 30, 11, 1, 11, 4, 32, 23, 45, 115, 37},
			[]float64{39, 9, 16, 78, 35, 66, 122, 89, 110, 44, 28, 65, 22, 59, 23, 31, 44, 21, 9, 45, 168, 73, 76, 118, 84, 85},
			127.5, 0.0001208, 1e-7, false},
		// Complete separation of 3 and 3: 2 of the 20 arrangements. No data of this size can reach P < 0.1.
		{"3 against 3", []float64{1, 2, 3}, []float64{4, 5, 6}, 0, 0.1, 1e-12, true},
		// 4 against 4 zeros: 2 of the 70 arrangements.
		{"separate with ties", []float64{5, 6, 7, 8}, []float64{0, 0, 0, 0}, 16, 2.0 / 70, 1e-12, true},
		{"one against one", []float64{1}, []float64{2}, 0, 1, 0, true},
		{"infinite", []float64{1, 2, 3}, []float64{4, 5, math.Inf(1)}, 0, 0.1, 1e-12, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := MannWhitney(tt.a, tt.b)
			if err != nil {
				t.Fatal(err)
			}
			if got.U != tt.u || got.Exact != tt.exact {
				t.Errorf("%+v, want U = %v, exact %v", got, tt.u, tt.exact)
			}
			near(t, "P", got.P, tt.p, tt.tol)
			back, _ := MannWhitney(tt.b, tt.a)
			near(t, "U of the other sample", back.U, float64(len(tt.a)*len(tt.b))-tt.u, 0)
			near(t, "P swapped", back.P, got.P, 1e-15)
		})
	}
}

// TestMannWhitneyExact deals the values of small samples in every way.
func TestMannWhitneyExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for range 60 {
		m, n := 1+rng.IntN(5), 1+rng.IntN(5)
		values := make([]float64, m+n)
		for i := range values {
			values[i] = float64(rng.IntN(6)) // with ties
		}
		deal := func(set int) (a, b []float64) {
			for i, v := range values {
				if set>>i&1 == 1 {
					a = append(a, v)
				} else {
					b = append(b, v)
				}
			}
			return a, b
		}
		got, err := MannWhitney(deal(1<<m - 1))
		if err != nil {
			continue // all equal
		}
		mean := float64(m*n) / 2
		far, all := 0.0, 0.0
		for set := range 1 << (m + n) {
			if bits.OnesCount(uint(set)) != m {
				continue
			}
			all++
			other, _ := MannWhitney(deal(set))
			if math.Abs(other.U-mean) >= math.Abs(got.U-mean) {
				far++
			}
		}
		if !got.Exact {
			t.Fatalf("%d and %d values: P is not exact", m, n)
		}
		near(t, "exact P", got.P, far/all, 1e-12)
	}
}

// TestMannWhitneyMeets: the count and the approximation agree where one takes over from the other.
func TestMannWhitneyMeets(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for range 20 {
		var a, b []float64
		for range exactLimit / 2 {
			a, b = append(a, float64(rng.IntN(20))), append(b, float64(rng.IntN(20)+2))
		}
		exact, err := MannWhitney(a, b)
		if err != nil {
			t.Fatal(err)
		}
		// One value more on each side, equal and in the middle, hardly changes the evidence.
		rough, err := MannWhitney(append(a, 10), append(b, 10))
		if err != nil {
			t.Fatal(err)
		}
		if !exact.Exact || rough.Exact {
			t.Fatalf("exact %v at the limit, %v above it", exact.Exact, rough.Exact)
		}
		near(t, "P just above the limit", rough.P, exact.P, 0.04)
	}
}

func TestMannWhitneyUndefined(t *testing.T) {
	for name, s := range map[string][2][]float64{
		"empty":     {{1}, nil},
		"NaN":       {{1, math.NaN()}, {2}},
		"all equal": {{2, 2}, {2, 2, 2}},
	} {
		if test, err := MannWhitney(s[0], s[1]); err == nil {
			t.Errorf("%s: %+v, want an error", name, test)
		}
	}
}
