package scenarios

// A Unit is what a metric is counted in.
type Unit string

const (
	Share   Unit = "share" // 0 to 1
	Seconds Unit = "s"
	Count   Unit = "count"
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
		{"boot_loops", Count, "Times that a host panicked twice or more with no healthy beat between, over all hosts."},
		{"boots", Count, "Boots after the injection, over all hosts."},
		{"censored", Count, "Hosts that had not recovered by the deadline."},
		{"content_refused", Count, "Times that an agent would not load content after the injection, over all hosts."},
		{"crashes", Count, "Kernel panics after the injection, over all hosts."},
		{"detection_after", Share, "Share of the synthetic threats reported once the fleet had recovered."},
		{"detection_before", Share, "Share of the synthetic threats reported before the injection."},
		{"detection_during", Share, "Share of the synthetic threats reported between the injection and the fleet's recovery."},
		{"fleet_recovery_100", Seconds, "Time from the injection until all of the hit hosts were back."},
		{"fleet_recovery_50", Seconds, "Time from the injection until 50 % of the hit hosts were back."},
		{"fleet_recovery_90", Seconds, "Time from the injection until 90 % of the hit hosts were back."},
		{"fleet_recovery_97", Seconds, "Time from the injection until 97 % of the hit hosts were back."},
		{"fleet_recovery_99", Seconds, "Time from the injection until 99 % of the hit hosts were back."},
		{"host_seconds_lost", Seconds, "Integral of the unavailable hosts over time, per targeted host."},
		{"peak_unavailable", Share, "Largest share of the targeted hosts that was unavailable at one instant."},
		{"protection_gap", Seconds, "Integral of the unprotected or worse hosts over time, per targeted host."},
		{"protection_radius", Share, "Share of the targeted hosts that ever lost protection after the injection."},
		{"time_to_recover_mean", Seconds,
			"Restricted mean, up to the deadline, of a hit host's time from its first unavailability to stable availability."},
		{"time_to_recover_median", Seconds,
			"Kaplan-Meier median of a hit host's time from its first unavailability to stable availability."},
		{"time_to_recover_p90", Seconds,
			"Kaplan-Meier 90th percentile of a hit host's time from its first unavailability to stable availability."},
		{"time_to_recover_p95", Seconds,
			"Kaplan-Meier 95th percentile of a hit host's time from its first unavailability to stable availability."},
		{"work_latency", Seconds, "Mean time of one unit of the hosts' workload after the injection."},
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
