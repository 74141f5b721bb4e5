package scenarios

// A Unit is what a metric is counted in.
type Unit string

const (
	Share   Unit = "share" // 0 to 1
	Ratio   Unit = "ratio" // like a share, and may be more than 1 or a little less than 0
	Seconds Unit = "s"
	Count   Unit = "count"
	Bytes   Unit = "bytes"
)

// A Metric is a figure that an expectation can bound.
type Metric struct {
	Name       string
	Unit       Unit
	Definition string // one sentence
}

// Metrics lists every metric in the order of its name.
func Metrics() []Metric {
	return []Metric{
		{"agent_crashes", Count, "Ends of an agent process that nobody asked for, over all hosts."},
		{"blast_radius", Share, "Share of the targeted hosts that were ever unavailable after the injection."},
		{"blocked_work", Count,
			"Stretches of 10 s after the injection for which a unit of work hung, over all hosts; the unit may have ended later."},
		{"boot_loops", Count, "Times that a host panicked twice or more with no healthy beat between, over all hosts."},
		{"boots", Count, "Boots after the injection, over all hosts."},
		{"censored", Count, "Hosts that were hit and had not recovered once when observation ended."},
		{"content_refused", Count, "Times that an agent would not load content after the injection, over all hosts."},
		{"crashes", Count, "Kernel panics after the injection, over all hosts."},
		{"detection_after", Share, "Share of the probes (synthetic threats that every agent which works detects) stopped or reported once the fleet had recovered."},
		{"detection_before", Share, "Share of the probes stopped or reported before the injection."},
		{"detection_during", Share, "Share of the probes stopped or reported between the injection and the fleet's recovery."},
		{"fleet_recovery_100", Seconds, "Time from the injection until all of the hit hosts had come back."},
		{"fleet_recovery_50", Seconds, "Time from the injection until 50 % of the hit hosts had come back."},
		{"fleet_recovery_90", Seconds, "Time from the injection until 90 % of the hit hosts had come back."},
		{"fleet_recovery_97", Seconds, "Time from the injection until 97 % of the hit hosts had come back."},
		{"fleet_recovery_99", Seconds, "Time from the injection until 99 % of the hit hosts had come back."},
		{"hangs", Count, "Times after the injection that a host ran, did not panic and fell silent, over all hosts."},
		{"host_seconds_lost", Seconds, "Integral of the unavailable hosts over time, per targeted host."},
		{"memory_taken", Bytes,
			"Largest drop of a host's available memory after the injection below its mean before the injection, mean over hosts."},
		{"overhead", Ratio,
			"Mean time of a unit of work before the injection over that on fleets without an agent, less 1, mean over the kinds of work."},
		{"peak_unavailable", Share, "Largest share of the targeted hosts that was unavailable at one instant."},
		{"polls_failed", Count,
			"Times after the injection that an updater's program could not run, and stretches of 10 s for which it hung, over all hosts."},
		{"processes_killed", Count, "Processes that a kernel killed for want of memory after the injection, over all hosts."},
		{"protection_gap", Seconds, "Integral of the unprotected or worse hosts over time, per targeted host."},
		{"protection_radius", Share, "Share of the targeted hosts that were ever unprotected or worse after the injection."},
		{"relapses", Count, "Hosts that became unavailable again after they had recovered."},
		{"run_delay", Ratio,
			"Time after the injection that tasks were ready to run and waited for the CPU, summed over tasks, over the time that " +
				"passed between the beats that told of it, mean over hosts."},
		{"stranded", Share,
			"Share of the targeted hosts that ended without the content they were last served: loaded or, if that was no revert, refused."},
		{"time_to_recover_mean", Seconds,
			"Restricted mean, up to the deadline, of a hit host's time from its first unavailability to the first availability that lasts for stable_for."},
		{"time_to_recover_median", Seconds,
			"Kaplan-Meier median of a hit host's time from its first unavailability to the first availability that lasts for stable_for."},
		{"time_to_recover_p90", Seconds,
			"Kaplan-Meier 90th percentile of a hit host's time from its first unavailability to the first availability that lasts for stable_for."},
		{"time_to_recover_p95", Seconds,
			"Kaplan-Meier 95th percentile of a hit host's time from its first unavailability to the first availability that lasts for stable_for."},
		{"visibility", Share,
			"Share of the synthetic threats stopped or reported before the injection, mean over their kinds."},
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

func metricNamed(name string) (Metric, bool) {
	for _, m := range Metrics() {
		if m.Name == name {
			return m, true
		}
	}
	return Metric{}, false
}
