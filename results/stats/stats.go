// Package stats computes intervals, survival curves and tests for what a run of the testbed yields: few hosts, in a few
// repeats, some of them censored. Every function is pure: the same input gives the same result, bit for bit, and where
// randomness is needed its seed is an argument.
//
// All intervals are 95 % intervals. Times must be finite and not negative; a function given another panics, since that
// is a defect of its caller and not a property of the data.
package stats

import (
	"fmt"
	"math"
)

// level is the coverage that every interval of this package aims at.
const level = 0.95

// z is the standard normal quantile of (1+level)/2.
const z = 1.959963984540054

// An Interval is a 95 % interval, in the unit of what it belongs to.
type Interval struct{ Lo, Hi float64 }

// Wilson is the score interval of a share of which successes out of n were seen:
//
//	(p + z²/2n ± z·sqrt(p(1−p)/n + z²/4n²)) / (1 + z²/n),  p = successes/n
//
// Use it for shares, and not a bootstrap: each resample of data that are all 1 is all 1 too, so that a bootstrap
// would report [1, 1] after three hosts, and so claim a certainty that three hosts cannot give. Wilson gives
// [0.44, 1]. The samples are taken to be independent.
//
// n = 0 gives [0, 1]. It panics unless 0 <= successes <= n.
//
// Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927) 209-212;
// recommended for small n by L. D. Brown, T. T. Cai and A. DasGupta, "Interval estimation for a binomial proportion",
// Statistical Science 16 (2001) 101-133.
func Wilson(successes, n int) Interval {
	if successes < 0 || n < successes {
		panic(fmt.Sprintf("stats: Wilson of %d successes out of %d", successes, n))
	}
	if n == 0 {
		return Interval{0, 1}
	}
	m := float64(n)
	p := float64(successes) / m
	centre := p + z*z/(2*m)
	half := z * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	scale := 1 + z*z/m
	iv := Interval{(centre - half) / scale, (centre + half) / scale}
	// At the ends the formula's limit is exact; only rounding moves it.
	if successes == 0 {
		iv.Lo = 0
	}
	if successes == n {
		iv.Hi = 1
	}
	return iv
}

// A Share is so many successes out of n.
type Share struct{ Successes, N int }

// MeanShare is the mean of independent shares, each weighing the same, with its interval by the method of variance
// estimates recovery: of each share's distances to its Wilson limits, the root of the sum of squares over their number.
//
//	p̄ − sqrt(Σ (pᵢ − lᵢ)²)/k,  p̄ + sqrt(Σ (uᵢ − pᵢ)²)/k
//
// Like Wilson, it claims no certainty where every sample agrees. It panics unless each share has 0 <= Successes <= N
// and N > 0, and there is one.
//
// Source: G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures: a general approach",
// Statistics in Medicine 27 (2008) 1693-1702, for sums of more than two; after R. G. Newcombe, Statistics in Medicine
// 17 (1998) 873-890.
func MeanShare(shares ...Share) (mean float64, iv Interval) {
	if len(shares) == 0 {
		panic("stats: MeanShare of nothing")
	}
	var sum, below, above float64
	for _, s := range shares {
		if s.N <= 0 {
			panic(fmt.Sprintf("stats: a share of %d samples", s.N))
		}
		p, w := float64(s.Successes)/float64(s.N), Wilson(s.Successes, s.N)
		sum += p
		below += (p - w.Lo) * (p - w.Lo)
		above += (w.Hi - p) * (w.Hi - p)
	}
	k := float64(len(shares))
	mean = sum / k
	return mean, Interval{max(0, mean-math.Sqrt(below)/k), min(1, mean+math.Sqrt(above)/k)}
}
