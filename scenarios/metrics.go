package scenarios

import "strings"

// A Unit is what a metric is counted in.
type Unit string

const (
	Share   Unit = "share"
	Ratio   Unit = "ratio"
	Seconds Unit = "s"
	Count   Unit = "count"
	Bytes   Unit = "bytes"
)

// Meaning says what a figure in the unit is, and how a bound on it is written.
func (u Unit) Meaning() string {
	switch u {
	case Share:
		return "from 0 to 1 in a trial, the mean over the trials of a cell"
	case Ratio:
		return "like a share, but it may be more than 1, and less than 0"
	case Seconds:
		return `seconds; a bound may be a duration such as "2m" too`
	case Count:
		return "a number in one trial, the mean over the trials of a cell; hosts lost to the testbed's own failures are taken to have " +
			"fared as the others did"
	case Bytes:
		return `bytes; a bound may be a size such as "8MiB" too`
	}
	return ""
}

// A Metric is a figure that an expectation can bound.
type Metric struct {
	Name       string
	Unit       Unit
	Definition string // a sentence or two
}

// Metrics lists every metric in the order of its name. It is the one place that says what a metric means.
func Metrics() []Metric {
	const fromHit = "a hit host's time from its first unavailability to the first availability that lasts for stable_for."
	const fromInjection = " of the hosts that were hit had come back."
	const ofTrials = " Each trial has its own; the figure is their median. Trials in which no host was hit have none."
	return []Metric{
		{"agent_crashes", Count,
			"Ends of an agent's process after the injection that nobody asked for, over the hosts of a trial; 0 for an agent that is no process."},
		{"blast_radius", Share, "Share of the targeted hosts that were ever unavailable after the injection."},
		{"blocked_work", Count,
			"Stretches of 10 s after the injection for which a unit of work hung, over the hosts of a trial; the unit may have ended later."},
		{"boot_loops", Count,
			"Times after the injection that a host panicked twice or more and did no work between, each such series once, over the hosts of a trial."},
		{"boots", Count, "Boots after the injection, over the hosts of a trial."},
		{"censored", Count, "Hosts of a trial that were hit and had not come back once when observation ended."},
		{"content_refused", Count,
			"Times after the injection that an agent would not load content (a bad signature, a bad format), over the hosts of a trial."},
		{"crashes", Count, "Kernel panics after the injection, over the hosts of a trial."},
		{"detection_after", Share, "Share of the probes stopped or reported after the outage, of those that a host was up to run."},
		{"detection_before", Share,
			"Share of the probes stopped or reported before the injection, of those that a host was up to run. Probes are the kinds of " +
				"synthetic threats that every agent which works detects."},
		{"detection_during", Share,
			"Share of the probes stopped or reported from the injection to the end of the outage, of those that a host was up to run: " +
				"one that is down runs none. The outage ends when all hosts are in the state that is normal for their architecture, and stay there."},
		{"fleet_recovery_100", Seconds, "Time from the injection until all" + fromInjection + ofTrials},
		{"fleet_recovery_50", Seconds, "Time from the injection until half" + fromInjection + ofTrials},
		{"fleet_recovery_90", Seconds, "Time from the injection until 90 %" + fromInjection + ofTrials},
		{"fleet_recovery_97", Seconds, "Time from the injection until 97 %" + fromInjection + ofTrials},
		{"fleet_recovery_99", Seconds, "Time from the injection until 99 %" + fromInjection + ofTrials},
		{"hangs", Count,
			"Times after the injection that a host ran, did not panic and fell silent, over the hosts of a trial. A host is unavailable from " +
				"its last sign of life on, though nobody knows of it before liveness has passed."},
		{"host_seconds_lost", Seconds,
			"Integral of the unavailable hosts over time, from the injection to the end of observation, per targeted host."},
		{"memory_taken", Bytes,
			"Largest drop of a host's available memory after the injection below its mean before the injection, mean over the hosts of a trial."},
		{"overhead", Ratio,
			"Mean time of a unit of work before the injection over that on the fleets without an agent in the same repeat, less 1, mean over " +
				"the kinds of work. On the virtual clock it is instruction overhead: each instruction takes 2 ns, whatever it is. Caches, " +
				"the TLB and the cost of switching between tasks are left out, so it ranks no architectures that are close."},
		{"peak_unavailable", Share,
			"Largest share of the targeted hosts that was unavailable at one instant of a trial, mean over the trials."},
		{"polls_failed", Count,
			"Times after the injection that an updater's program could not run, and stretches of 10 s for which it hung, or the agent's load of " +
				"what it had brought, over the hosts of a trial: a host that cannot poll cannot be mended from afar."},
		{"processes_killed", Count, "Processes that a kernel killed for want of memory after the injection, over the hosts of a trial."},
		{"protection_gap", Seconds,
			"Integral of the unprotected or worse hosts over time, from the injection to the end of observation, per targeted host."},
		{"protection_radius", Share, "Share of the targeted hosts that were ever unprotected or worse after the injection."},
		{"relapses", Count,
			"Hosts of a trial that became unavailable again after they had come back; times of recovery are those of the first."},
		{"run_delay", Ratio,
			"Time after the injection that tasks were ready to run and waited for the CPU, summed over tasks, over the time that " +
				"passed between the beats that told of it, mean over the hosts of a trial; more than 1 when several waited at once."},
		{"stranded", Share,
			"Share of the targeted hosts that ended without the content they were last served: the revert, or an update that was not " +
				"reverted, which an agent may also refuse."},
		{"time_to_recover_mean", Seconds,
			"Restricted mean of " + strings.TrimSuffix(fromHit, ".") + ", with each host's time cut at the deadline, in a trial: the mean over " +
				"the trials in which a host was hit."},
		{"time_to_recover_median", Seconds,
			"Kaplan-Meier median of " + fromHit + " Hosts that are not back when observation ends count as what they are: still waiting." + ofTrials},
		{"time_to_recover_p90", Seconds, "Kaplan-Meier 90th percentile of " + fromHit + ofTrials},
		{"time_to_recover_p95", Seconds, "Kaplan-Meier 95th percentile of " + fromHit + ofTrials},
		{"visibility", Share,
			"Share of the synthetic threats stopped or reported before the injection, mean over the kinds that were tried: with a short time " +
				"to the injection not all are, and the figure says how many."},
		{"work_latency", Seconds,
			"Mean time of one unit of the hosts' workload after the injection; of one that hangs, each stretch of 10 s is a unit."},
	}
}

func metricNames() []string {
	var names []string
	for _, m := range Metrics() {
		names = append(names, m.Name)
	}
	return names
}

// FindMetric returns the metric of this name; its error lists those there are.
func FindMetric(name string) (Metric, error) {
	for _, m := range Metrics() {
		if m.Name == name {
			return m, nil
		}
	}
	return Metric{}, Unknown("metric", name, metricNames())
}
