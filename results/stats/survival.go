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
//
// Where censoring and events share a time, the events come first, so that the censored were at risk of them. There are no
// limits: the subjects are hosts, of which those of one trial tell of one another, and limits are over trials.
//
// No observations give a curve without steps.
//
// Source: E. L. Kaplan and P. Meier, "Nonparametric estimation from incomplete observations", JASA 53 (1958) 457-481.
func KaplanMeier(observations []Observation) Curve {
	obs := slices.Clone(observations)
	for _, o := range obs {
		if math.IsNaN(o.Time) || math.IsInf(o.Time, 0) || o.Time < 0 {
			panic(fmt.Sprintf("stats: time of an observation is %v", o.Time))
		}
	}
	slices.SortFunc(obs, func(a, b Observation) int { return cmp.Compare(a.Time, b.Time) })
	curve := Curve{N: len(obs)}
	survival := 1.0
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
		n, d := float64(s.AtRisk), float64(s.Events)
		survival *= (n - d) / n
		s.Survival = survival
		curve.Steps = append(curve.Steps, s)
	}
	return curve
}

// Quantile is the time by which a share p of the subjects had their event: the least t with S(t) <= 1−p; nil where the
// curve does not reach it. It panics unless 0 < p <= 1.
//
// Source: J. P. Klein and M. L. Moeschberger, "Survival Analysis", 2nd ed. 2003, formula 4.5.1.
func (c Curve) Quantile(p float64) *float64 {
	if !(p > 0 && p <= 1) {
		panic(fmt.Sprintf("stats: quantile %v is not in (0, 1]", p))
	}
	const rounding = 1e-9 // S is a product: 6/8 may come out a little above 3/4
	for i := range c.Steps {
		if s := &c.Steps[i]; s.Events > 0 && s.Survival <= 1-p+rounding { // it falls at events only
			return &s.Time
		}
	}
	return nil
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

// RestrictedMean is the mean of min(T, tau), the area under S from 0 to tau. It is defined whether or not all events were
// seen; behind the last observation S stays as it was, so a tau beyond it counts subjects that were censored as still
// waiting.
//
// Source: Klein and Moeschberger 2003, formula 4.5.2.
func (c Curve) RestrictedMean(tau float64) float64 {
	if math.IsNaN(tau) || math.IsInf(tau, 0) || tau < 0 {
		panic(fmt.Sprintf("stats: mean restricted to %v", tau))
	}
	// From the last step back, so that the area to the right of each step is at hand.
	area, right := 0.0, tau
	for _, s := range slices.Backward(c.Steps) {
		if s.Time > tau {
			continue
		}
		area += (right - s.Time) * s.Survival
		right = s.Time
	}
	return area + right
}
