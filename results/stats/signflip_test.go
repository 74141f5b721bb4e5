package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// pairsOf pairs trials, see trialsOf.
func pairsOf(a, b string) []Pair {
	var pairs []Pair
	tb := trialsOf(b)
	for i, t := range trialsOf(a) {
		pairs = append(pairs, Pair{t, tb[i]})
	}
	return pairs
}

func TestSignFlips(t *testing.T) {
	for _, tt := range []struct {
		name                 string
		a, b                 string
		family               int
		p                    float64 // NaN for none
		undefined, undecided int
		wants                string
	}{
		{"six that agree", "1 2 3 4 5 6", "0 0 0 0 0 0", 1, 2.0 / 64, 0, 0, ""},
		{"five that agree", "1 2 3 4 5", "0 0 0 0 0", 1, math.NaN(), 0, 0, "5 pairs decide nothing; 6 repeats would"},
		{"one", "1", "0", 1, math.NaN(), 0, 0, "one pair decides nothing; 6 repeats would"},
		{"none", "", "", 15, math.NaN(), 0, 0, "0 pairs decide nothing; 10 repeats would"},
		{"six of a family", "1 2 3 4 5 6", "0 0 0 0 0 0", 15, 2.0 / 64, 0, 0,
			"6 pairs cannot decide among 15 comparisons; 10 repeats would"},
		{"left out", "1 2 3 - 4 5 6 7", "0 0 0 0 0 0 0 -", 1, 2.0 / 64, 2, 0, ""},
		{"left out to too few", "1 2 3 - 4 5", "0 0 0 0 0 0", 1, math.NaN(), 1, 0,
			"5 pairs decide nothing; 6 repeats would"},
		{"no difference", "4 4 4 4 4 4", "4 4 4 4 4 4", 1, 1, 0, 0, ""},
		// 1 of 8 the other way, and the smallest: two sums of 256 are larger or equal on each side.
		{"one against", "2 3 4 5 6 7 8 0", "0 0 0 0 0 0 0 1", 1, 4.0 / 256, 0, 0, ""},
		// Fisher 1935, section 21: Darwin's maize, 863 of 32,768 sums on each side, and those equal.
		{"maize", "188 96 168 176 153 172 177 163 146 173 186 168 177 184 96",
			"139 163 160 160 147 149 149 122 132 144 130 144 102 124 144", 1, 1726.0 / 32768, 0, 0, ""},
		{"censored and the larger", "9+ 9+ 9+ 9+ 9+ 9+", "1 2 3 4 5 6", 1, 2.0 / 64, 0, 0, ""},
		{"censored below the other", "9+ 9 9 9 9 9 9", "10 1 1 1 1 1 1", 1, 2.0 / 64, 0, 1, ""},
		{"the other way round", "10 1 1 1 1 1 1", "9+ 9 9 9 9 9 9", 1, 2.0 / 64, 0, 1, ""},
		// Cut where the other ended, it is the larger one, by nothing or more.
		{"censored level with the other", "9+ 2 3 4 5 6 7", "9 0 0 0 0 0 0", 1, 2.0 / 64, 0, 0, ""},
		{"the other is level with censored", "9 2 3 4 5 6 7", "9+ 0 0 0 0 0 0", 1, 2.0 / 64, 0, 0, ""},
		{"both censored", "9+ 9 9 9 9 9 9", "5+ 1 1 1 1 1 1", 1, 2.0 / 64, 0, 1, ""},
		{"all censored", "9+ 9+ 9+ 9+ 9+ 9+", "9+ 9+ 9+ 9+ 9+ 9+", 1, 1, 0, 6, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			test := SignFlips(pairsOf(tt.a, tt.b), tt.family, 1)
			back := SignFlips(pairsOf(tt.b, tt.a), tt.family, 1)
			switch {
			case math.IsNaN(tt.p) && (test.P != nil || test.Exact):
				t.Errorf("a P of %v, want none", *test.P)
			case math.IsNaN(tt.p):
			case test.P == nil:
				t.Fatal("no P")
			default:
				near(t, "P", *test.P, tt.p, 1e-12)
				near(t, "P the other way round", *back.P, *test.P, 1e-12)
				if !test.Exact {
					t.Error("P was drawn")
				}
			}
			if test.Undefined != tt.undefined || test.Undecided != tt.undecided || test.Wants != tt.wants {
				t.Errorf("%+v, want %d undefined, %d undecided, %q", test, tt.undefined, tt.undecided, tt.wants)
			}
			if all := len(trialsOf(tt.a)); test.Pairs != all-tt.undefined {
				t.Errorf("%d pairs of %d", test.Pairs, all)
			}
		})
	}
}

// TestSignFlipsMeets: what is counted and what is drawn agree where one takes over from the other.
func TestSignFlipsMeets(t *testing.T) {
	rng := rand.New(rand.NewPCG(41, 42))
	for range 5 {
		differences := make([]float64, exactPairs)
		for i := range differences {
			differences[i] = rng.NormFloat64() + 0.4
		}
		exact := flipAll(differences)
		drawn := flipSome(differences, 7)
		near(t, "drawn P", drawn, exact, 5*math.Sqrt(exact*(1-exact)/flipDraws)+1.0/flipDraws)
		if again := flipSome(differences, 7); again != drawn {
			t.Errorf("seed 7 gives %v and %v", drawn, again)
		}
	}
	// More than 64 signs need more bits than one number has.
	if p := flipSome(append(make([]float64, 64), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 7); p > 0.004 {
		t.Errorf("ten that agree behind 64 without a difference: %v, want about 2/2^10", p)
	}
	// All ways to choose the signs of nothing are as far.
	if p := flipSome(make([]float64, exactPairs+1), 7); p != 1 {
		t.Errorf("no difference: %v, want 1", p)
	}
	var pairs []Pair
	for i := range exactPairs + 5 {
		pairs = append(pairs, Pair{Trial{Value: float64(i + 1)}, Trial{}})
	}
	if test := SignFlips(pairs[:exactPairs], 1, 1); !test.Exact || *test.P != 2/math.Ldexp(1, exactPairs) {
		t.Errorf("%d pairs that agree: %v", exactPairs, *test.P)
	}
	// No draw is as far: the one seen is all there is.
	if test := SignFlips(pairs, 1, 1); test.Exact || *test.P != 1.0/(flipDraws+1) {
		t.Errorf("%d pairs that agree: %v, exact %v", len(pairs), *test.P, test.Exact)
	}
}

// TestSignFlipsOfASeed: what a seed draws stays as it is, so that a journal's results do.
func TestSignFlipsOfASeed(t *testing.T) {
	differences := make([]float64, 70)
	for i := range differences {
		differences[i] = float64(i%7) - 2.3
	}
	for seed, far := range map[uint64]float64{7: 552, 8: 482} {
		if p := flipSome(differences, seed); p != far/(flipDraws+1) {
			t.Errorf("seed %d: P is %v, want that of %v draws", seed, p, far)
		}
	}
}

// TestSignFlipsInAnyUnit: sums that are equally far are so in any unit, whatever rounding makes of them.
func TestSignFlipsInAnyUnit(t *testing.T) {
	for _, unit := range []float64{1e-9, 1, 1e9 / 7} {
		var differences []float64
		for _, d := range []float64{0.1, 0.2, 0.3, 0.4, 0.5, -0.6, 0.7} {
			differences = append(differences, unit*d)
		}
		if p := flipAll(differences); p != 28.0/128 {
			t.Errorf("in units of %v: P is %v, want 28/128", unit, p)
		}
	}
}

func TestPairsToDecide(t *testing.T) {
	for family, want := range map[int]int{1: 6, 2: 7, 3: 7, 4: 8, 15: 10, 105: 13} {
		if got := PairsToDecide(family); got != want {
			t.Errorf("a family of %d: %d pairs, want %d", family, got, want)
		}
	}
}

func TestHolm(t *testing.T) {
	if got := Holm(nil); len(got) != 0 {
		t.Errorf("no tests: %v", got)
	}
	p := []float64{0.03, 0.005, 1}
	got := Holm(p)
	for i, want := range []float64{0.06, 0.015, 1} {
		near(t, "corrected P", got[i], want, 1e-15)
	}
	if none := Holm([]float64{0, 0.5}); none[0] != 0 {
		t.Errorf("a P of 0 is corrected to %v", none[0])
	}
	if p[0] != 0.03 {
		t.Error("the P were changed")
	}
}
