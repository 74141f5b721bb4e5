package scenarios

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Kinds of [Distribution].
const (
	fixed       = "fixed"
	uniform     = "uniform"
	exponential = "exponential"
	lognormal   = "lognormal"
	weibull     = "weibull"
)

// Validate tells what makes d no distribution: an unknown kind, or parameters outside of their range.
func (d Distribution) Validate() error {
	between := func(name string, v, least, most Duration) error {
		if v < least || v > most {
			return fmt.Errorf("%s of %s must be between %s and %s, not %s", name, d.Kind,
				durationText(time.Duration(least)), durationText(time.Duration(most)), durationText(time.Duration(v)))
		}
		return nil
	}
	number := func(name string, v, least, most float64) error {
		if !(v >= least && v <= most) { // also refuses NaN
			return fmt.Errorf("%s of %s must be between %g and %g, not %g", name, d.Kind, least, most, v)
		}
		return nil
	}
	first := func(errs ...error) error {
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		return nil
	}
	switch d.Kind {
	case fixed:
		return between("the value", d.A, 0, Duration(maxDuration))
	case uniform:
		return first(between("the least", d.A, 0, Duration(maxDuration)), between("the most", d.B, d.A, Duration(maxDuration)))
	case exponential:
		return between("the mean", d.A, 1, Duration(maxDuration))
	case lognormal:
		return first(between("the median", d.A, 1, Duration(maxDuration)), number("sigma", d.P, 0, 5))
	case weibull:
		return first(between("the scale", d.A, 1, Duration(maxDuration)), number("the shape", d.P, 0.1, 100))
	}
	return fmt.Errorf("unknown distribution %q", d.Kind)
}

// Quantile is the duration that a share u of samples falls below, for u in [0, 1): the inverse of the cumulative
// distribution function, see Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions, vol. 1, 2nd ed.,
// chapters 14 (lognormal), 19 (exponential) and 21 (Weibull). It is cut off at 365 days. d must be valid.
func (d Distribution) Quantile(u float64) time.Duration {
	a := float64(d.A)
	var q float64
	switch d.Kind {
	case uniform:
		q = a + u*float64(d.B-d.A)
	case exponential:
		q = -a * math.Log1p(-u)
	case lognormal:
		if d.P == 0 { // 0 times the infinite quantile of u = 0 would be no number
			q = a
		} else {
			q = a * math.Exp(d.P*math.Sqrt2*math.Erfinv(2*u-1))
		}
	case weibull:
		q = a * math.Pow(-math.Log1p(-u), 1/d.P)
	default:
		q = a
	}
	return time.Duration(math.Round(min(max(q, 0), float64(maxDuration))))
}

// Sample draws one duration, with exactly one draw from r whatever the distribution: with the same r, two scenarios
// that differ in a distribution alone draw from the same underlying numbers, which makes them comparable.
func (d Distribution) Sample(r *rand.Rand) time.Duration { return d.Quantile(r.Float64()) }

// Mean is the expected duration, without the cut at 365 days but no longer than it. d must be valid.
func (d Distribution) Mean() time.Duration {
	a := float64(d.A)
	mean := a
	switch d.Kind {
	case uniform:
		mean = (a + float64(d.B)) / 2
	case lognormal:
		mean = a * math.Exp(d.P*d.P/2)
	case weibull:
		mean = a * math.Gamma(1+1/d.P)
	}
	return time.Duration(math.Round(min(mean, float64(maxDuration))))
}

// String is the distribution as a scenario writes it, e.g. `lognormal("4m", 0.5)`.
func (d Distribution) String() string {
	a, b := durationText(time.Duration(d.A)), durationText(time.Duration(d.B))
	switch d.Kind {
	case uniform:
		return fmt.Sprintf("uniform(%q, %q)", a, b)
	case lognormal, weibull:
		return fmt.Sprintf("%s(%q, %g)", d.Kind, a, d.P)
	}
	return fmt.Sprintf("%s(%q)", d.Kind, a)
}
