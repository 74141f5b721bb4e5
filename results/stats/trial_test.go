package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// trialsOf reads trials: numbers, with a + behind those that are censored, and - for one without a value.
func trialsOf(s string) []Trial {
	var trials []Trial
	for _, f := range strings.Fields(s) {
		if f == "-" {
			trials = append(trials, Trial{Undefined: true})
			continue
		}
		number, censored := strings.CutSuffix(f, "+")
		v, err := strconv.ParseFloat(number, 64)
		if err != nil {
			panic(err)
		}
		trials = append(trials, Trial{Value: v, Censored: censored})
	}
	return trials
}

// String is an estimate as "value [lo, hi]" with >= before what is "at least", and - for what is not there.
func (e Estimate) String() string {
	figure := func(f *Figure) string {
		switch {
		case f == nil:
			return "-"
		case f.AtLeast:
			return fmt.Sprintf(">=%.4g", f.Value)
		}
		return fmt.Sprintf("%.4g", f.Value)
	}
	return fmt.Sprintf("%s [%s, %s]", figure(e.Value), figure(e.Lo), figure(e.Hi))
}

func TestSummarise(t *testing.T) {
	for _, tt := range []struct {
		name   string
		kind   Kind
		trials string
		want   string
		level  float64
		over   string
		wants  string
	}{
		// 24 ± 2.9985 · 3.1623/√5.
		{"mean", Amounts, "20 22 24 26 28", "24 [19.76, 28.24]", 0.96,
			"mean of 5 repeats, 96 % interval of Student's t", ""},
		{"cut at 0", Amounts, "0 0 1", "0.3333 [0, 1.95]", 0.96, "mean of 3 repeats, 96 % interval of Student's t", ""},
		{"not cut at 0", Differences, "0 0 1", "0.3333 [-1.283, 1.95]", 0.96,
			"mean of 3 repeats, 96 % interval of Student's t", ""},
		{"below 0", Differences, "-3 -1 -2", "-2 [-4.799, 0.7994]", 0.96,
			"mean of 3 repeats, 96 % interval of Student's t", ""},
		{"one", Amounts, "7", "7 [-, -]", 0,
			"mean of 1 repeat", "one repeat has no interval; 3 repeats would give one"},
		{"two", Amounts, "7 9", "8 [-, -]", 0,
			"mean of 2 repeats", "2 repeats have no interval; 3 repeats would give one"},
		{"none", Amounts, "", "- [-, -]", 0, "no repeat has a value", "repeats with a value would give one"},
		{"none with a value", Quantiles, "- -", "- [-, -]", 0,
			"no repeat has a value", "repeats with a value would give one"},
		{"left out", Amounts, "- 20 22 24 - 26 28", "24 [19.76, 28.24]", 0.96,
			"mean of 5 repeats (2 without a value left out), 96 % interval of Student's t", ""},
		{"too few left", Amounts, "- 20 22", "21 [-, -]", 0, "mean of 2 repeats (1 without a value left out)",
			"2 repeats with a value have no interval; 3 repeats with a value would give one"},
		{"censored mean", Amounts, "20 22 24 26 28+", ">=24 [19.76, -]", 0.96,
			"mean of 5 repeats (1 censored), 96 % interval of Student's t", ""},
		{"all the same", Amounts, "0.1 0.1 0.1 0.1 0.1", "0.1 [-, -]", 0,
			"mean of 5 repeats, the same in each: with 95 % confidence, at most 45.1 % of repeats give another value",
			"repeats that are all the same have no interval; some that differ would give one"},

		{"no fleet", Shares, "0 0 0 0 0", "0 [0, 0.4507]", 0.95,
			"mean of 5 repeats: 0 of 5 fleets, one-sided 95 % limit", ""},
		{"every fleet", Shares, "1 1 1", "1 [0.3684, 1]", 0.95,
			"mean of 3 repeats: 3 of 3 fleets, one-sided 95 % limit", ""},
		{"no fleet of two", Shares, "0 0", "0 [-, -]", 0,
			"mean of 2 repeats", "2 repeats have no interval; 3 repeats would give one"},
		{"shares", Shares, "0.45 0.82 0.93", "0.7333 [0.2047, 0.9443]", 0.95,
			"mean of 3 repeats, 95 % interval for numbers from 0 to 1", ""},
		// 0.33 and what is between it and 1 times 1 − 0.025^(1/5), and so below.
		{"equal shares", Shares, "0.33 0.33 0.33 0.33 0.33", "0.33 [0.1578, 0.6796]", 0.95,
			"mean of 5 repeats, 95 % interval for numbers from 0 to 1", ""},
		{"censored shares", Shares, "0.45 0.82+ 0.93", ">=0.7333 [0.2047, -]", 0.95,
			"mean of 3 repeats (1 censored), 95 % interval for numbers from 0 to 1", ""},

		{"median of one", Quantiles, "5", "5 [-, -]", 0,
			"median of 1 repeat", "one repeat has no interval; 5 repeats would give one"},
		{"median of four", Quantiles, "5 1 9 2", "3.5 [-, -]", 0,
			"median of 4 repeats", "4 repeats have no interval; 5 repeats would give one"},
		{"median of five", Quantiles, "5 1 9 2 7", "5 [1, 9]", 0.9375,
			"median of 5 repeats, 93.8 % interval of order statistics", ""},
		{"median of six", Quantiles, "5 1 9 2 7 6", "5.5 [1, 9]", 0.96875,
			"median of 6 repeats, 96.9 % interval of order statistics", ""},
		{"median of nine", Quantiles, "9 8 7 6 5 4 3 2 1", "5 [2, 8]", 0.9609375,
			"median of 9 repeats, 96.1 % interval of order statistics", ""},
		{"the slowest censored", Quantiles, "5 1 9+ 2 7", "5 [1, >=9]", 0.9375,
			"median of 5 repeats (1 censored), 93.8 % interval of order statistics", ""},
		{"most censored", Quantiles, "60+ 60+ 12 60+ 15 -", ">=60 [12, >=60]", 0.9375,
			"median of 5 repeats (3 censored, 1 without a value left out), 93.8 % interval of order statistics", ""},
		{"all censored", Quantiles, "60+ 60+ 60+ 60+ 60+", ">=60 [>=60, >=60]", 0.9375,
			"median of 5 repeats (5 censored), 93.8 % interval of order statistics", ""},
		// The one cut at 2 may have been anything above: the median is from 3 to 4, the least from 1 on is 1.
		{"censored early", Quantiles, "1 2+ 3 4 5", ">=3 [1, >=5]", 0.9375,
			"median of 5 repeats (1 censored), 93.8 % interval of order statistics", ""},
		// The second largest of nine is 7 or 8, wherever the one that was cut at 1 would have ended.
		{"an upper limit between two", Quantiles, "1+ 2 3 4 5 6 7 8 9", ">=5 [>=2, 9]", 0.9609375,
			"median of 9 repeats (1 censored), 96.1 % interval of order statistics", ""},
		{"half censored of four", Quantiles, "1 3 8+ 9+", ">=5.5 [-, -]", 0, "median of 4 repeats (2 censored)",
			"4 repeats have no interval; 5 repeats would give one"},
		{"median of equal ones", Quantiles, "4 4 4 4 4", "4 [4, 4]", 0.9375,
			"median of 5 repeats, 93.8 % interval of order statistics", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trials := trialsOf(tt.trials)
			before := slices.Clone(trials)
			e := Summarise(tt.kind, trials)
			if e.String() != tt.want || math.Abs(e.Level-tt.level) > 1e-12 {
				t.Errorf("%v at %v, want %v at %v", e, e.Level, tt.want, tt.level)
			}
			if e.Over != tt.over {
				t.Errorf("over %q,\nwant %q", e.Over, tt.over)
			}
			if e.Wants != tt.wants {
				t.Errorf("wants %q,\nwant  %q", e.Wants, tt.wants)
			}
			undefined := strings.Count(tt.trials, "-")
			if tt.kind == Differences {
				undefined = 0
			}
			if e.Undefined != undefined || e.N != len(trials)-undefined || e.Censored != strings.Count(tt.trials, "+") {
				t.Errorf("%d count, %d are left out, %d are censored", e.N, e.Undefined, e.Censored)
			}
			if e.OneSided != strings.Contains(e.Over, "one-sided") {
				t.Errorf("one-sided %v: %s", e.OneSided, e.Over)
			}
			if (e.Lo == nil) != (e.Level == 0) || (e.Level == 0) != (e.Wants != "") {
				t.Errorf("%v at level %v wants %q", e, e.Level, e.Wants)
			}
			if !slices.Equal(trials, before) {
				t.Error("the trials were changed")
			}
		})
	}
}

func TestSummariseRefuses(t *testing.T) {
	for name, f := range map[string]func(){
		"NaN":                func() { Summarise(Differences, []Trial{{Value: math.NaN()}}) },
		"infinite":           func() { Summarise(Amounts, []Trial{{Value: math.Inf(1)}}) },
		"share above 1":      func() { Summarise(Shares, []Trial{{Value: 1.01}}) },
		"negative amount":    func() { Summarise(Amounts, []Trial{{Value: -1}}) },
		"negative quantile":  func() { Summarise(Quantiles, []Trial{{Value: -1}}) },
		"t of one":           func() { StudentT([]float64{1}) },
		"bounded of none":    func() { BoundedMean(nil) },
		"bounded of NaN":     func() { BoundedMean([]float64{0.5, math.NaN()}) },
		"bounded below 0":    func() { BoundedMean([]float64{0.5, -0.1}) },
		"a P above 1":        func() { Holm([]float64{0.5, 1.5}) },
		"a P below 0":        func() { Holm([]float64{0.5, -0.1}) },
		"bounded above 1":    func() { BoundedMean([]float64{0.5, 1.1}) },
		"quantile 0":         func() { KaplanMeier(placebo).Quantile(0) },
		"quantile above 1":   func() { KaplanMeier(placebo).Quantile(1.01) },
		"a mean up to NaN":   func() { KaplanMeier(placebo).RestrictedMean(math.NaN()) },
		"a mean up to -1":    func() { KaplanMeier(placebo).RestrictedMean(-1) },
		"a mean without end": func() { KaplanMeier(placebo).RestrictedMean(math.Inf(1)) },
		"no family":          func() { PairsToDecide(0) },
		"a negative family":  func() { PairsToDecide(-1) },
		"an endless pair":    func() { SignFlips([]Pair{{Trial{Value: math.Inf(1)}, Trial{}}}, 1, 0) },
		"a pair of NaN":      func() { SignFlips([]Pair{{Trial{Value: math.NaN()}, Trial{}}}, 1, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			f()
		})
	}
}

func TestSummariseExactly(t *testing.T) {
	// The sum of three times 0.1 over 3 is more than 0.1.
	for _, kind := range []Kind{Amounts, Differences, Shares, Quantiles} {
		if e := Summarise(kind, []Trial{{Value: 0.1}, {Value: 0.1}, {Value: 0.1}}); e.Value.Value != 0.1 {
			t.Errorf("three times 0.1, of kind %d, come to %v", kind, e.Value.Value)
		}
	}
	// What a trial without a value says besides is not looked at.
	trials := []Trial{{Value: math.NaN(), Censored: true, Undefined: true}, {Value: 1}}
	if e := Summarise(Shares, trials); e.N != 1 || e.Censored != 0 {
		t.Errorf("%d count, %d are censored, want 1 and 0", e.N, e.Censored)
	}
}

func TestSummariseProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	for range 2000 {
		kind := Kind(rng.IntN(4))
		trials := make([]Trial, rng.IntN(12))
		for i := range trials {
			trials[i] = Trial{Value: float64(rng.IntN(9)) / 8, Censored: rng.IntN(4) == 0, Undefined: rng.IntN(6) == 0}
		}
		e := Summarise(kind, trials)
		shuffled := slices.Clone(trials)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if other := Summarise(kind, shuffled); other.String() != e.String() || other.Over != e.Over {
			t.Fatalf("%v of kind %d, and shuffled %v", e, kind, other)
		}
		if e.Value == nil || e.Lo == nil {
			continue
		}
		if e.Lo.Value > e.Value.Value || e.Hi != nil && e.Hi.Value < e.Value.Value {
			t.Fatalf("%v of kind %d is not within its limits", e, kind)
		}
		low, high := kind.bounds()
		if e.Lo.Value < low || e.Hi != nil && e.Hi.Value > high {
			t.Fatalf("%v of kind %d is out of range", e, kind)
		}
	}
}
