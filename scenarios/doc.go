// Package scenarios is the scenario language: it reads an HCL file, checks the whole of it, and resolves it to a [Plan]
// of cells, the product of the file's fleets, updates, rollouts and recoveries. It starts nothing.
//
// [Load] reports every mistake of a file at once, each as an hcl.Diagnostic that says where, why and how to mend it;
// [Render] writes them with the source they speak of. [Library] lists the scenarios that are built in.
//
// Values: durations are text with units (ns us ms s m h d, as in "1h30m"), sizes are text with B, KiB, MiB, GiB or TiB,
// and hands_on is a distribution: fixed(value), uniform(min, max), exponential(mean), lognormal(median, sigma) or
// weibull(scale, shape). A variable's type is an HCL type or one of duration, size and distribution.
//
// clock = "virtual" counts the guests' time in their instructions: the same on every machine, hours in minutes, and
// only where CPUs are emulated, on one machine. What is decided at a time reaches a host 100 ms later, the lookahead:
// what one host does, a gate or an updater feels no sooner. clock = "wall" is time as it passes for us. A scenario that
// says nothing gets the virtual clock where there can be one.
//
// Files may be written by anyone, so what they can make the loader do is bounded: budget.go counts what an evaluation
// costs, and limits.go has the limits.
package scenarios
