package stats

import (
	"fmt"
	"math"
)

// A Trial is what one trial came to in one metric: the unit of replication. Hosts of a trial share its update, its
// template and its seed, so they tell of one another; two trials do not.
type Trial struct {
	Value     float64 // in the metric's unit
	Censored  bool    // Value was not reached: what it stands for is at least that
	Undefined bool    // there is no value, as of times of recovery where no host was hit; the rest says nothing
}

// A Kind says what the values of trials are, and so how they are summarised.
type Kind int

const (
	Amounts     Kind = iota // times, counts, sizes, never below 0: their mean
	Differences             // of either sign, such as an overhead: their mean
	Shares                  // from 0 to 1, each trial's own: their mean
	Quantiles               // each trial's own quantile of times, or its fleet's recovery, never below 0: their median
)

// A Figure is a number in the unit of its metric.
type Figure struct {
	Value   float64
	AtLeast bool // what it stands for was not reached, and is Value or more
}

// An Estimate is what trials say about trials: about the mean or the median of all those that could have been run
// with other seeds.
type Estimate struct {
	Value    *Figure // nil when no trial counts
	Lo, Hi   *Figure // limits of its interval; nil where there is none: often both, with censored trials Hi alone
	Level    float64 // how often such intervals hold what they are of; 0 when there is none; see Summarise
	OneSided bool    // Level is of the one limit that is not at the end of the range

	N         int // trials that count
	Undefined int // trials that were left out because they have no value
	Censored  int // of N

	Over  string // what Value and its interval are over, in words
	Wants string // what would give an interval, in words; empty when there is one
}

// FewestForMean is the least number of trials whose mean gets an interval. Two would do for Student's t, with a
// factor of 15.9 at 96 %: that says nothing, and looks as if it did.
const FewestForMean = 3

// FewestForMedian is the least number of trials whose median gets an interval: of four, the least and the largest
// hold it in 87.5 % only.
const FewestForMedian = 5

// Summarise estimates what trials of a kind come to, with an interval.
//
//   - Amounts and Differences: the mean, with the 96 % interval of Student's t, cut at 0 for Amounts; see [StudentT]
//     for why 96. If all values are equal, nothing tells how trials spread: there is no interval, and Over says how
//     seldom another value comes at most.
//   - Shares: the mean, with the 95 % interval of [BoundedMean], which takes nothing for granted but that shares lie
//     from 0 to 1. If all are 0 or all are 1, the limit is one-sided: all 0 in n trials give [0, 1 - 0.05^(1/n)].
//   - Quantiles: the median, with the interval between two order statistics of [MedianRank], whose level is exact for
//     its number of trials: 93.8 % for five, 96.9 % for six, at least 95 % for more.
//
// Trials without a value are left out and counted. Censored ones take part with what is known of them:
//
//   - In a mean they count with the value up to which they were followed. That mean is at most the one asked for, so
//     it and its lower limit hold, the mean as "at least", and there is no upper limit.
//   - In a median, each order statistic is a number if the censored trials cannot change it, wherever they would have
//     ended, and "at least" the number that it would be if they had ended where they were cut, if they can. An upper
//     limit that lies somewhere between two numbers is the larger one, which holds at least as often.
//
// It panics when a value is not finite, a share is not from 0 to 1, or an amount or quantile is below 0.
func Summarise(kind Kind, trials []Trial) Estimate {
	var e Estimate
	var values []Trial
	for _, t := range trials {
		if t.Undefined {
			e.Undefined++
			continue
		}
		low, high := kind.bounds()
		if math.IsNaN(t.Value) || math.IsInf(t.Value, 0) || t.Value < low || t.Value > high {
			panic(fmt.Sprintf("stats: a trial with a value of %v, which is not from %v to %v", t.Value, low, high))
		}
		if t.Censored {
			e.Censored++
		}
		values = append(values, t)
	}
	e.N = len(values)
	if e.N == 0 {
		e.Over, e.Wants = "no repeat has a value", "repeats with a value would give one"
		return e
	}
	if kind == Quantiles {
		e.median(values)
	} else {
		e.mean(kind, values)
	}
	return e
}

// bounds are the least and the largest value of the kind.
func (k Kind) bounds() (low, high float64) {
	switch k {
	case Shares:
		return 0, 1
	case Differences:
		return math.Inf(-1), math.Inf(1)
	default:
		return 0, math.Inf(1)
	}
}

// mean fills in the estimate of a mean.
func (e *Estimate) mean(kind Kind, trials []Trial) {
	values := make([]float64, len(trials))
	same, sum := true, 0.0
	for i, t := range trials {
		values[i] = t.Value
		same = same && t.Value == trials[0].Value
		sum += t.Value
	}
	first := values[0]
	e.Value = &Figure{Value: sum / float64(e.N), AtLeast: e.Censored > 0}
	if same {
		e.Value.Value = first // a sum of equal numbers may be rounded
	}
	e.Over = e.over("mean")
	if e.N < FewestForMean {
		e.Wants = e.wants(FewestForMean)
		return
	}
	another := 1 - math.Pow(1-Level, 1/float64(e.N)) // that of all trials which n that agree leave possible
	switch {
	case kind == Shares && same && (first == 0 || first == 1):
		e.Level, e.OneSided = Level, true
		e.limits(math.Max(0, first-another), math.Min(1, first+another))
		of := 0
		if first == 1 {
			of = e.N
		}
		e.Over = fmt.Sprintf("%s: %d of %s, one-sided %s limit", e.Over, of, count(e.N, "fleet"), percent(Level))
	case kind == Shares:
		iv := BoundedMean(values)
		e.Level = Level
		e.limits(iv.Lo, iv.Hi)
		e.Over = fmt.Sprintf("%s, %s interval for numbers from 0 to 1", e.Over, percent(Level))
	case same:
		e.Over = fmt.Sprintf("%s, the same in each: with %s confidence, at most %s of repeats give another value",
			e.Over, percent(Level), percent(another))
		e.Wants = "repeats that are all the same have no interval; some that differ would give one"
	default:
		iv := StudentT(values)
		low, _ := kind.bounds()
		e.Level = MeanLevel
		e.limits(math.Max(low, iv.Lo), iv.Hi)
		e.Over = fmt.Sprintf("%s, %s interval of Student's t", e.Over, percent(MeanLevel))
	}
}

// limits sets those of a mean, whose upper one censored trials leave open.
func (e *Estimate) limits(lo, hi float64) {
	e.Lo = &Figure{Value: lo}
	if e.Censored == 0 {
		e.Hi = &Figure{Value: hi}
	}
}

// over says what a value is over: "mean of 5 repeats (2 censored, 1 without a value left out)".
func (e *Estimate) over(what string) string {
	s := fmt.Sprintf("%s of %s", what, count(e.N, "repeat"))
	switch {
	case e.Censored > 0 && e.Undefined > 0:
		s += fmt.Sprintf(" (%d censored, %d without a value left out)", e.Censored, e.Undefined)
	case e.Censored > 0:
		s += fmt.Sprintf(" (%d censored)", e.Censored)
	case e.Undefined > 0:
		s += fmt.Sprintf(" (%d without a value left out)", e.Undefined)
	}
	return s
}

// wants says how many trials would give an interval where there are too few.
func (e *Estimate) wants(fewest int) string {
	with := ""
	if e.Undefined > 0 {
		with = " with a value"
	}
	if e.N == 1 {
		return fmt.Sprintf("one repeat%s has no interval; %d repeats%s would give one", with, fewest, with)
	}
	return fmt.Sprintf("%d repeats%s have no interval; %d repeats%s would give one", e.N, with, fewest, with)
}

// count is a number of things: "1 repeat", "5 repeats".
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// percent is a share as "95 %", "93.8 %".
func percent(p float64) string {
	return fmt.Sprintf("%.3g %%", 100*p)
}
