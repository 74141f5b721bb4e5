package stats

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// MeanLevel is the level of StudentT.
const MeanLevel = 0.96

// StudentT is the 96 % interval of the mean of independent values, at least two:
//
//	x̄ ± t(0.98; n−1) · s/√n
//
// with s the standard deviation over n−1, and t the quantile of Student's t of n−1 degrees of freedom.
//
// It is exact for normal values alone, and times are skewed: of lognormal ones (σ = 0.5) the 95 % interval holds the
// mean in 92.3, 91.5, 92.1 and 93.4 % of cases at 3, 5, 10 and 30 values, and this one in 93.7, 92.8, 93.1 and 94.4
// %. So the level is 96 % and not 95, and is printed as such: at least 92 % of intervals hold the mean for either
// (testdata/coverage.txt).
//
// Source: Student, "The probable error of a mean", Biometrika 6 (1908) 1-25; G. W. Snedecor and W. G. Cochran,
// "Statistical Methods", 8th ed. 1989, section 4.9. R: t.test(x, conf.level = 0.96).
func StudentT(values []float64) Interval {
	n := float64(len(values))
	if n < 2 {
		panic(fmt.Sprintf("stats: Student's t of %v values", n))
	}
	m, s := stat.MeanStdDev(values, nil)
	half := tQuantile((1+MeanLevel)/2, n-1) * s / math.Sqrt(n)
	return Interval{m - half, m + half}
}

// tQuantile is that of Student's t of so many degrees of freedom.
func tQuantile(p, df float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Quantile(p)
}
