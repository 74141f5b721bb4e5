package stats

import (
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// exactLimit is the number of values in both samples up to which MannWhitney counts arrangements instead of
// approximating.
const exactLimit = 50

// A MannWhitneyTest is the outcome of MannWhitney.
type MannWhitneyTest struct {
	U     float64 // pairs in which the value of a is the larger; ties count a half
	P     float64 // two-sided
	Exact bool    // P was counted, and not approximated
}

// MannWhitney tests whether values of a tend to be larger or smaller than those of b (the Wilcoxon rank-sum test).
//
// With up to 50 values in all, P is exact, with ties and without: the share of all ways to deal the values seen to
// samples of these sizes that give a U at least as far from its mean. (The approximation must not be used there: for 4
// against 4 separate values of which one sample's are all tied it gives P = 0.021, where no data can have less than
// 2/70 = 0.029.) Above that P is that of the normal approximation with a continuity correction of 1/2 and, for t
// values tied at each of the tied ranks,
//
//	Var U = mn/12 · (N+1 − Σ(t³−t)/(N(N−1))),  N = m+n
//
// It is an error when a sample is empty, holds a NaN, or when all values are equal. Infinite values are allowed: only
// the order counts.
//
// Sources: H. B. Mann and D. R. Whitney, Ann. Math. Statist. 18 (1947) 50-60; B. Streitberg and J. Röhmel, "Exact
// distributions for permutation and rank tests", Statistical Software Newsletter 12 (1986) 10-17; M. Hollander,
// D. A. Wolfe and E. Chicken, "Nonparametric Statistical Methods", 3rd ed. 2014, section 4.1, for the correction for ties.
func MannWhitney(a, b []float64) (MannWhitneyTest, error) {
	m, n := len(a), len(b)
	if m == 0 || n == 0 {
		return MannWhitneyTest{}, errors.New("Mann-Whitney test: a sample is empty")
	}
	all := slices.Concat(a, b)
	if slices.ContainsFunc(all, math.IsNaN) {
		return MannWhitneyTest{}, errors.New("Mann-Whitney test: a sample holds NaN")
	}
	var test MannWhitneyTest
	for _, x := range a {
		for _, y := range b {
			switch {
			case x > y:
				test.U++
			case x == y:
				test.U += 0.5
			}
		}
	}
	slices.Sort(all)
	tied := 0.0                  // Σ(t³−t)
	ranks := make([]int, 0, m+n) // doubled, since the mean rank of tied values may end in a half
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j] == all[i] {
			j++
		}
		for range j - i {
			ranks = append(ranks, i+1+j)
		}
		t := float64(j - i)
		tied += t*t*t - t
		i = j
	}
	total := float64(m + n)
	if tied == total*total*total-total {
		return MannWhitneyTest{}, errors.New("Mann-Whitney test: all values are equal")
	}
	if m+n <= exactLimit {
		test.Exact = true
		test.P = exactP(ranks, m, int(2*test.U)+m*(m+1))
		return test, nil
	}
	mn := float64(m) * float64(n)
	sd := math.Sqrt(mn / 12 * (total + 1 - tied/(total*(total-1))))
	off := math.Max(0, math.Abs(test.U-mn/2)-0.5)
	test.P = math.Min(1, 2*distuv.UnitNormal.Survival(off/sd))
	return test, nil
}

// exactP is the share of all ways to take m of the doubled ranks whose sum is at least as far from its mean as observed
// is. It counts with additions of positive numbers only, so that float64 is exact enough.
func exactP(ranks []int, m, observed int) float64 {
	total := 0
	for _, r := range ranks {
		total += r
	}
	// ways[i][s] is the number of sets of i of the ranks seen so far that sum to s.
	ways := make([][]float64, m+1)
	for i := range ways {
		ways[i] = make([]float64, total+1)
	}
	ways[0][0] = 1
	for seen, r := range ranks {
		for i := min(seen+1, m); i >= 1; i-- {
			for s := r; s <= total; s++ {
				ways[i][s] += ways[i-1][s-r]
			}
		}
	}
	// The mean of the sum is m·total/N; distances are multiplied by N to stay whole.
	distance := func(s int) int {
		d := s*len(ranks) - m*total
		return max(d, -d)
	}
	far, all := 0.0, 0.0
	for s, w := range ways[m] {
		all += w
		if distance(s) >= distance(observed) {
			far += w
		}
	}
	return far / all
}
