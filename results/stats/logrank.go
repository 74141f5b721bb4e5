package stats

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// A LogRankTest is the outcome of LogRank.
type LogRankTest struct {
	Chi2     float64
	DF       int
	P        float64
	Observed []float64 // events, by group
	Expected []float64 // events if all groups had one hazard, by group
}

// LogRank tests whether groups have the same survival curve. At each time with d events among n at risk, of which n_i
// are in group i, group i expects n_i·d/n of them, with covariances
//
//	V_ij = d (n−d)/(n−1) · n_i/n · (δ_ij − n_j/n)
//
// The statistic (O−E)ᵀ V⁻¹ (O−E), over all groups but one, is compared with a chi-square of one degree of freedom less
// than there are groups. That is an approximation, and rough with fewer than about five expected events a group.
//
// It is an error when the test is not defined: fewer than two groups, an empty group, no events, or a group that was
// never at risk when anything could tell it from the others.
//
// Sources: Klein and Moeschberger 2003, formulas 7.3.3 to 7.3.6; N. Mantel, Cancer Chemotherapy Reports 50 (1966)
// 163-170.
func LogRank(groups ...[]Observation) (LogRankTest, error) {
	k := len(groups)
	if k < 2 {
		return LogRankTest{}, errors.New("log-rank test: needs two groups or more")
	}
	curves := make([]Curve, k)
	var times []float64
	for i, g := range groups {
		if len(g) == 0 {
			return LogRankTest{}, fmt.Errorf("log-rank test: group %d is empty", i+1)
		}
		curves[i] = KaplanMeier(g)
		for _, s := range curves[i].Steps {
			if s.Events > 0 {
				times = append(times, s.Time)
			}
		}
	}
	if len(times) == 0 {
		return LogRankTest{}, errors.New("log-rank test: no events in any group")
	}
	slices.Sort(times)
	test := LogRankTest{DF: k - 1, Observed: make([]float64, k), Expected: make([]float64, k)}
	v := mat.NewSymDense(k-1, nil)
	for _, t := range slices.Compact(times) {
		atRisk := make([]float64, k)
		n, d := 0.0, 0.0
		for i, c := range curves {
			atRisk[i] = float64(c.atRisk(t))
			n += atRisk[i]
			e := float64(c.eventsAt(t))
			test.Observed[i] += e
			d += e
		}
		for i := range groups {
			test.Expected[i] += atRisk[i] * d / n
		}
		if n < 2 {
			continue // the last subject alone: its event is certain, and has no variance
		}
		for i := range k - 1 {
			for j := i; j < k-1; j++ {
				delta := 0.0
				if i == j {
					delta = 1
				}
				v.SetSym(i, j, v.At(i, j)+d*(n-d)/(n-1)*atRisk[i]/n*(delta-atRisk[j]/n))
			}
		}
	}
	diff := mat.NewVecDense(k-1, nil)
	for i := range k - 1 {
		diff.SetVec(i, test.Observed[i]-test.Expected[i])
	}
	var chol mat.Cholesky
	var solved mat.VecDense
	if !chol.Factorize(v) || chol.SolveVecTo(&solved, diff) != nil {
		return LogRankTest{}, errors.New("log-rank test: no time at which an event could have fallen to another group")
	}
	test.Chi2 = math.Max(0, mat.Dot(diff, &solved))
	test.P = distuv.ChiSquared{K: float64(test.DF)}.Survival(test.Chi2)
	return test, nil
}

func (c Curve) eventsAt(t float64) int {
	i, found := slices.BinarySearchFunc(c.Steps, t, func(s Step, t float64) int { return cmp.Compare(s.Time, t) })
	if !found {
		return 0
	}
	return c.Steps[i].Events
}
