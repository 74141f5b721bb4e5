package stats

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// A Pair is what trials of two cells came to that drew from the same seed.
type Pair struct{ A, B Trial }

// A SignFlipTest is the outcome of SignFlips.
type SignFlipTest struct {
	P     *float64 // two-sided, before any correction; nil below FewestPairs
	Exact bool     // P was counted over all flips, and not drawn

	Pairs     int // pairs that count
	Undefined int // pairs that were left out because a trial of theirs has no value
	Undecided int // of Pairs: which of the two is larger is not known, because of censoring

	Wants string // how many repeats would decide, in words; empty when these can
}

// FewestPairs is the least number of pairs that are tested: of five, no outcome has a P under 2/2⁵ = 0.063.
const FewestPairs = 6

// exactPairs is the number of pairs up to which SignFlips counts all flips.
const exactPairs = 20

// flipDraws is how many flips it draws above that; the standard error of a P of 0.05 is then 0.0007.
const flipDraws = 100_000

// SignFlips tests whether two cells fare alike, over trials paired by their seed. If they do, which one of a pair got
// which outcome is a toss of a coin, and so is the sign of their difference: P is the share of all ways to choose the
// signs whose sum of differences is at least as far from 0 as the one seen. Up to 20 pairs all are counted; above,
// 100,000 are drawn with the seed and the one seen is counted among them, so that P is never 0.
//
// A censored trial's difference counts with what is known of it: if A was cut where it was no less than B, A is the
// larger, by A − B or more, and A − B counts. If it was cut below B, or if both were cut, which one is larger is not
// known: the pair is undecided and counts as no difference. This treats the two cells alike, so that the test keeps
// its level where both are cut by one rule, as by a deadline that they share. Pairs in which a trial has no value are
// left out.
//
// The family is how many comparisons are made of one metric, 1 or more: it decides how many repeats Wants asks for,
// see [PairsToDecide]. Correct the family's P with [Holm].
//
// It panics when a value is not finite.
//
// Sources: R. A. Fisher, "The Design of Experiments", 1935, section 21; E. S. Edgington and P. Onghena,
// "Randomization Tests", 4th ed. 2007, chapter 6; B. Phipson and G. K. Smyth, "Permutation P-values should never be
// zero", Statistical Applications in Genetics and Molecular Biology 9 (2010) article 39; E. A. Gehan, Biometrika 52
// (1965) 203-223, for what is known of censored pairs.
func SignFlips(pairs []Pair, family int, seed uint64) SignFlipTest {
	var test SignFlipTest
	var differences []float64
	for _, p := range pairs {
		if p.A.Undefined || p.B.Undefined {
			test.Undefined++
			continue
		}
		d, known := p.difference()
		if !known {
			test.Undecided++
		}
		differences = append(differences, d)
	}
	test.Pairs = len(differences)
	if decide := PairsToDecide(family); test.Pairs < FewestPairs {
		test.Wants = fmt.Sprintf("%s decide nothing; %d repeats would", count(test.Pairs, "pair"), decide)
		if test.Pairs == 1 {
			test.Wants = fmt.Sprintf("one pair decides nothing; %d repeats would", decide)
		}
		return test
	} else if test.Pairs < decide {
		test.Wants = fmt.Sprintf("%d pairs cannot decide among %d comparisons; %d repeats would",
			test.Pairs, family, decide)
	}
	p := 0.0
	if test.Exact = test.Pairs <= exactPairs; test.Exact {
		p = flipAll(differences)
	} else {
		p = flipSome(differences, seed)
	}
	test.P = &p
	return test
}

// difference is A less B, or 0 where its sign is not known.
func (p Pair) difference() (d float64, known bool) {
	d = p.A.Value - p.B.Value
	if math.IsNaN(d) || math.IsInf(d, 0) {
		panic(fmt.Sprintf("stats: a pair of %v and %v", p.A.Value, p.B.Value))
	}
	switch {
	case p.A.Censored && p.B.Censored, p.A.Censored && d < 0, p.B.Censored && d > 0:
		return 0, false
	}
	return d, true
}

// far says from which sum on one is as far from 0 as that of the differences: what rounding may take off is allowed
// for.
func far(differences []float64) float64 {
	sum, all := 0.0, 0.0
	for _, d := range differences {
		sum += d
		all += math.Abs(d)
	}
	return math.Abs(sum) - 1e-12*all
}

// flipAll counts. A sum and the one with all signs turned are equally far, so the first sign can stay as it is.
func flipAll(differences []float64) float64 {
	sums := []float64{differences[0]}
	for _, d := range differences[1:] {
		for i, s := range sums {
			sums[i] = s + d
			sums = append(sums, s-d)
		}
	}
	from, n := far(differences), 0
	for _, s := range sums {
		if math.Abs(s) >= from {
			n++
		}
	}
	return float64(n) / float64(len(sums))
}

// flipSome draws.
func flipSome(differences []float64, seed uint64) float64 {
	rng := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	from, n := far(differences), 1
	for range flipDraws {
		sum, bits := 0.0, uint64(0)
		for i, d := range differences {
			if i%64 == 0 {
				bits = rng.Uint64()
			}
			if bits&1 == 1 {
				d = -d
			}
			bits >>= 1
			sum += d
		}
		if math.Abs(sum) >= from {
			n++
		}
	}
	return float64(n) / (flipDraws + 1)
}

// PairsToDecide is the least number of pairs of which some outcome is significant at 5 % after the correction of Holm
// among so many comparisons: the first with family · 2/2ⁿ < 0.05, 6 for one, 10 for fifteen. It panics unless the
// family is 1 or more.
func PairsToDecide(family int) int {
	if family < 1 {
		panic(fmt.Sprintf("stats: a family of %d comparisons", family))
	}
	n := 1
	for float64(family)*math.Ldexp(2, -n) >= 1-Level {
		n++
	}
	return n
}

// Holm corrects the P of a family of tests so that the chance of one or more that are below 0.05 without cause is at
// most 5 %: the smallest of m counts m times, the next m − 1 times and at least as much as the smallest, and so on,
// up to 1. The result is in the order of p. It panics when a P is not from 0 to 1.
//
// Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6
// (1979) 65-70. R: p.adjust(p, "holm").
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i, v := range p {
		if !(v >= 0 && v <= 1) {
			panic(fmt.Sprintf("stats: a P of %v", v))
		}
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	corrected, largest := make([]float64, len(p)), 0.0
	for rank, i := range order {
		largest = max(largest, min(1, p[i]*float64(len(p)-rank)))
		corrected[i] = largest
	}
	return corrected
}
