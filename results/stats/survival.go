package stats

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// An Observation is a time to an event, or, when Censored, a time up to which the event had not happened.
type Observation struct {
	Time     float64 // seconds
	Censored bool
}

// A Step is one distinct time of a survival curve: an event's, a censoring's, or both.
type Step struct {
	Time     float64 // s
	AtRisk   int     // observations that had neither event nor censoring before Time
	Events   int     // at Time
	Censored int     // at Time; taken to come just after its events
	Survival float64 // S(t) at Time and up to the next step
	SE       float64 // of S(t), by Greenwood's formula; 0 where S is 0 or 1
	Lo, Hi   float64 // 95 % limits of S(t)

	hazardVariance float64 // Greenwood's sum of d/(n(n-d)) up to here; +Inf where S is 0
}

// A Curve is a Kaplan-Meier estimate. Its steps are in the order of their times, which are distinct.
type Curve struct {
	N        int // observations
	Events   int
	Censored int
	Steps    []Step
}

// KaplanMeier estimates S(t), the share of subjects whose event comes later than t, from times of which some are
// censored:
//
//	S(t) = Π (1 − d/n) over times <= t, with d events among n at risk
//	Var S(t) = S(t)² Σ d/(n(n−d))                                    (Greenwood)
//	limits: S(t)^exp(±z·sqrt(Σ d/(n(n−d))) / ln S(t))                (complementary log-log)
//
// Where censoring and events share a time, the events come first, so that the censored were at risk of them. The
// log-log limits stay within 0 and 1 and hold their level in samples as small as 25 (Borgan and Liestøl 1990).
//
// Greenwood's variance says nothing where S is 1 or 0. There the limits are: before the first event the Wilson interval
// of AtRisk survivors out of N; and once S is 0, 0 and the upper limit of the event before, since S cannot rise (with
// no event before, Wilson's for none out of AtRisk).
//
// No observations give a curve without steps.
//
// Sources: E. L. Kaplan and P. Meier, JASA 53 (1958) 457-481; J. P. Klein and M. L. Moeschberger, "Survival Analysis",
// 2nd ed. 2003, formulas 4.2.1, 4.2.2 and 4.3.2; Ø. Borgan and K. Liestøl, Scand. J. Statist. 17 (1990) 35-41.
func KaplanMeier(observations []Observation) Curve {
	obs := slices.Clone(observations)
	for _, o := range obs {
		if math.IsNaN(o.Time) || math.IsInf(o.Time, 0) || o.Time < 0 {
			panic(fmt.Sprintf("stats: time of an observation is %v", o.Time))
		}
	}
	slices.SortFunc(obs, func(a, b Observation) int { return cmp.Compare(a.Time, b.Time) })
	curve := Curve{N: len(obs)}
	survival, hazardVariance, upper := 1.0, 0.0, -1.0
	for i := 0; i < len(obs); {
		s := Step{Time: obs[i].Time, AtRisk: len(obs) - i}
		for ; i < len(obs) && obs[i].Time == s.Time; i++ {
			if obs[i].Censored {
				s.Censored++
			} else {
				s.Events++
			}
		}
		curve.Events += s.Events
		curve.Censored += s.Censored
		if s.Events > 0 {
			n, d := float64(s.AtRisk), float64(s.Events)
			survival *= (n - d) / n
			hazardVariance += d / (n * (n - d))
		}
		s.Survival, s.hazardVariance = survival, hazardVariance
		switch {
		case survival == 1:
			s.Lo, s.Hi = Wilson(s.AtRisk, s.AtRisk).Lo, 1
		case survival == 0:
			if upper < 0 {
				upper = Wilson(0, s.AtRisk).Hi
			}
			s.Lo, s.Hi = 0, upper
		default:
			s.SE = survival * math.Sqrt(hazardVariance)
			w := z * math.Sqrt(hazardVariance) / -math.Log(survival)
			s.Lo, s.Hi = math.Pow(survival, math.Exp(w)), math.Pow(survival, math.Exp(-w))
			upper = s.Hi
		}
		curve.Steps = append(curve.Steps, s)
	}
	return curve
}

// atRisk is the number of observations without event or censoring before t.
func (c Curve) atRisk(t float64) int {
	for _, step := range c.Steps {
		if step.Time >= t {
			return step.AtRisk
		}
	}
	return 0
}

// A Quantile is a time with its 95 % limits, in seconds. What the curve does not reach is nil: a nil Hi says that the
// data set no upper limit.
type Quantile struct{ Value, Lo, Hi *float64 }

// Quantile is the time by which a share p of the subjects had their event: the least t with S(t) <= 1−p. Its limits are
// those times at which a test on the log-log scale does not reject S(t) = 1−p: from the first time at which the lower
// limit of S is <= 1−p to the first at which the upper limit is. For p = 1, the time of the last event, there is never
// an upper limit. It panics unless 0 < p <= 1.
//
// Sources: Klein and Moeschberger 2003, formulas 4.5.1 and 4.5.6; R. Brookmeyer and J. Crowley, "A confidence interval
// for the median survival time", Biometrics 38 (1982) 29-41.
func (c Curve) Quantile(p float64) Quantile {
	if !(p > 0 && p <= 1) {
		panic(fmt.Sprintf("stats: quantile %v is not in (0, 1]", p))
	}
	const rounding = 1e-9 // S is a product: 6/8 may come out a little above 3/4
	bound := 1 - p + rounding
	var q Quantile
	for i := range c.Steps {
		s := c.Steps[i]
		if s.Events == 0 {
			continue // S falls at events only
		}
		if q.Lo == nil && s.Lo <= bound {
			q.Lo = &s.Time
		}
		if q.Value == nil && s.Survival <= bound {
			q.Value = &s.Time
		}
		if q.Hi == nil && s.Hi <= bound {
			q.Hi = &s.Time
		}
	}
	return q
}

// Bound is the least that the time by which a share p of the subjects had their event can be, whatever became of the
// censored: the p-quantile of all times, those of censorings among them. It is nil for a curve of no observations.
func (c Curve) Bound(p float64) *float64 {
	seen := 0
	for i := range c.Steps {
		seen += c.Steps[i].Events + c.Steps[i].Censored
		if float64(seen) >= p*float64(c.N)-1e-9 {
			return &c.Steps[i].Time
		}
	}
	return nil
}

// A Mean is a restricted mean in seconds with its standard error and 95 % limits.
type Mean struct {
	Value, SE float64
	Interval
}

// RestrictedMean is the mean of min(T, tau), the area under S from 0 to tau:
//
//	Var = Σ (∫ from t to tau of S)² d/(n(n−d)) over events at times t <= tau
//
// with limits of Value ± z·SE, cut at 0 and tau. It is defined whether or not all events were seen; behind the last
// observation S stays as it was, so a tau beyond it counts subjects that were censored as still waiting. When everyone
// has the same time, SE is 0.
//
// Source: Klein and Moeschberger 2003, formulas 4.5.2 and 4.5.3.
func (c Curve) RestrictedMean(tau float64) Mean {
	if math.IsNaN(tau) || math.IsInf(tau, 0) || tau < 0 {
		panic(fmt.Sprintf("stats: mean restricted to %v", tau))
	}
	// From the last step back, so that the area to the right of each step is at hand.
	area, variance, right := 0.0, 0.0, tau
	for _, s := range slices.Backward(c.Steps) {
		if s.Time > tau {
			continue
		}
		area += (right - s.Time) * s.Survival
		right = s.Time
		if n, d := float64(s.AtRisk), float64(s.Events); d > 0 && n > d {
			variance += area * area * d / (n * (n - d))
		}
	}
	m := Mean{Value: area + right, SE: math.Sqrt(variance)}
	m.Interval = Interval{max(0, m.Value-z*m.SE), min(tau, m.Value+z*m.SE)}
	return m
}
