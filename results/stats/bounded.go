package stats

import (
	"fmt"
	"math"
	"slices"
)

// BoundedMean is the 95 % interval of the mean of independent values from 0 to 1, however they are distributed
// between: shares of hosts that are as alike as they like, whose trials therefore are anything from nearly equal to
// all 0 and 1.
//
// Its upper limit is the 97.5 % quantile of
//
//	W = w₁x₁ + … + wₙxₙ + wₙ₊₁·1
//
// where the weights are spread evenly over all that are not negative and sum to 1: those of the gaps between n
// uniform numbers. The lower limit is the same from below, with 0 in the place of 1. For values that are all 0 or 1
// these are the limits of Clopper and Pearson, so that the level holds for each trial of one host, and for hosts that
// all fare alike. The less the values differ, the narrower it is: five of 0.33 give [0.16, 0.68], thirty give [0.29,
// 0.41]. It is never as narrow as Student's t of values that hardly differ, which takes for granted that none ever
// will.
//
// That the limits hold for every distribution is a conjecture of Gaffke's, to which nobody has found an exception;
// for shares of 1, 4 and 12 hosts with correlations of 0, 0.3 and 1 it is measured in testdata/coverage.txt.
//
// It panics unless there is a value, and each is from 0 to 1.
//
// Sources: N. Gaffke, "Three test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative
// variable", Mathematical Methods of Statistics 14 (2005) 451-467; E. Learned-Miller and P. S. Thomas, "A new
// confidence interval for the mean of a bounded random variable", arXiv:1905.06208, 2019; C. J. Clopper and E. S.
// Pearson, Biometrika 26 (1934) 404-413.
func BoundedMean(values []float64) Interval {
	if len(values) == 0 {
		panic("stats: the mean of nothing")
	}
	mirrored := make([]float64, len(values))
	for i, v := range values {
		if !(v >= 0 && v <= 1) {
			panic(fmt.Sprintf("stats: a share of %v", v))
		}
		mirrored[i] = 1 - v
	}
	const beyond = (1 - Level) / 2
	return Interval{1 - boundedUpper(mirrored, beyond), boundedUpper(values, beyond)}
}

// boundedUpper is the number above which W of BoundedMean lies with a probability of beyond, to 1e-9.
func boundedUpper(values []float64, beyond float64) float64 {
	knots := append(slices.Clone(values), 1)
	slices.Sort(knots)
	lo, hi := knots[0], 1.0
	scratch := make([]float64, len(knots))
	for hi-lo > 1e-9 { // halved 30 times at most
		middle := (lo + hi) / 2
		if weightedAbove(knots, middle, scratch) > beyond {
			lo = middle
		} else {
			hi = middle
		}
	}
	return hi
}

// weightedAbove is the probability that the mean of the knots, sorted, with weights spread evenly over all that are
// not negative and sum to 1, is more than t. The scratch has room for as many numbers as there are knots.
//
// The density of that mean is a B-spline with these knots; its probability above t is the divided difference of (z −
// t)ⁿ over the positive part, and by Leibniz' rule, for knots i to j with zᵢ <= t < zⱼ,
//
//	P(i, j) = ((zⱼ − t)·P(i+1, j) + (t − zᵢ)·P(i, j−1)) / (zⱼ − zᵢ)
//
// which is 1 where all knots are above t and 0 where none is. All terms are positive, so that nothing is lost to
// cancellation, and equal knots need no care.
//
// Source: H. B. Curry and I. J. Schoenberg, "On Pólya frequency functions IV", Journal d'Analyse Mathématique 17
// (1966) 71-107, for the spline; C. de Boor, "On calculating with B-splines", Journal of Approximation Theory 6
// (1972) 50-62, for the recurrence.
func weightedAbove(knots []float64, t float64, scratch []float64) float64 {
	last := len(knots) - 1
	under := 0 // knots that are not above t: the first ones
	for i, z := range knots {
		if z <= t {
			under, scratch[i] = i+1, 0
		} else {
			scratch[i] = 1
		}
	}
	for k := 1; k <= last; k++ {
		for i := max(0, under-k); i <= min(under-1, last-k); i++ {
			j := i + k
			scratch[i] = ((knots[j]-t)*scratch[i+1] + (t-knots[i])*scratch[i]) / (knots[j] - knots[i])
		}
	}
	return math.Min(1, scratch[0])
}
