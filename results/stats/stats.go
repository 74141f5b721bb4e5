// Package stats computes estimates, intervals, survival curves and tests for what a run of the testbed yields: a few
// trials of a few hosts, some of them censored. The unit of replication is the trial: hosts of one share its update, its
// template and its seed. Every function is pure: the same input gives the same result, bit for bit, and where randomness
// is needed its seed is an argument.
//
// Times must be finite and not negative; a function given another panics, since that is a defect of its caller and not a
// property of the data.
package stats

// Level is the coverage that intervals aim at; see Summarise for where another is computed with.
const Level = 0.95

// An Interval is a 95 % interval, in the unit of what it belongs to.
type Interval struct{ Lo, Hi float64 }
