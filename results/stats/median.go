package stats

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// MedianRank says which order statistics of n independent values hold the median of what they are drawn from: the
// r-th smallest and the r-th largest do so with a probability of exactly
//
//	1 − 2·P(B < r),  B binomial of n tries at 1/2
//
// for values without ties, and at least that with ties. r is the largest for which that is 95 % or more, and 1 where
// none is: for five values, 93.8 %. ok is false for fewer than five, which have none worth the name.
//
// Source: H. A. David and H. N. Nagaraja, "Order Statistics", 3rd ed. 2003, section 7.1.
func MedianRank(n int) (r int, level95 float64, ok bool) {
	if n < FewestForMedian {
		return 0, 0, false
	}
	b := distuv.Binomial{N: float64(n), P: 0.5}
	holds := func(r int) float64 { return 1 - 2*b.CDF(float64(r-1)) }
	r = 1
	for holds(r+1) >= Level {
		r++
	}
	return r, holds(r), true
}

// median fills in the estimate of a median.
func (e *Estimate) median(trials []Trial) {
	// Where trials would stand if the censored had ended where they were cut, and if they had never ended.
	least, most := make([]float64, e.N), make([]float64, e.N)
	for i, t := range trials {
		least[i], most[i] = t.Value, t.Value
		if t.Censored {
			most[i] = math.Inf(1)
		}
	}
	slices.Sort(least)
	slices.Sort(most)
	a, b := (e.N-1)/2, e.N/2 // the one in the middle, or the two
	e.Value = figure((least[a]+least[b])/2, (most[a]+most[b])/2)
	if least[a] == least[b] {
		e.Value.Value = least[a]
	}
	e.Over = e.over("median")
	r, held, ok := MedianRank(e.N)
	if !ok {
		e.Wants = e.wants(FewestForMedian)
		return
	}
	e.Level = held
	e.Lo = figure(least[r-1], most[r-1])
	e.Hi = figure(least[e.N-r], most[e.N-r])
	if top := most[e.N-r]; !math.IsInf(top, 1) {
		e.Hi = &Figure{Value: top}
	}
	e.Over = fmt.Sprintf("%s, %s interval of order statistics", e.Over, percent(held))
}

// figure is a number that lies from one to another.
func figure(least, most float64) *Figure {
	return &Figure{Value: least, AtLeast: least < most}
}
