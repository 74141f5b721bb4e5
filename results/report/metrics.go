package report

import (
	"slices"

	"github.com/fleetfall/fleetfall/results"
)

// A metric of the catalogue: how a report names and explains it.
type metric struct {
	Key        string
	Label      string // in a table, e.g. "Blast radius"
	Short      string // as a column's head, lower case
	Group      string
	Unit       string // where results do not say: "share", "s" or "count"
	Definition string
}

// catalogue lists the metrics in the order in which reports show them.
func catalogue() []metric {
	const reach, damage, recovery, protection = "Reach", "Damage", "Recovery", "Protection and cost"
	return []metric{
		{"blast_radius", "Blast radius", "blast radius", reach, "share",
			"Share of targeted hosts that were ever unavailable after the injection."},
		{"protection_radius", "Protection radius", "protection radius", reach, "share",
			"Share of targeted hosts that ever lost protection, available or not."},
		{"peak_unavailable", "Peak unavailable", "peak unavailable", reach, "share",
			"Largest share of hosts unavailable at one instant."},
		{"host_seconds_lost", "Time lost per host", "time lost per host", damage, "s",
			"Integral of unavailable hosts over time, divided by the number of targeted hosts."},
		{"protection_gap", "Protection gap per host", "protection gap", damage, "s",
			"The same for hosts that are unprotected or worse."},
		{"crashes", "Kernel crashes", "kernel crashes", damage, "count", "Kernel panics after the injection."},
		{"agent_crashes", "Agent crashes", "agent crashes", damage, "count",
			"Ends of the agent's process after the injection, for agents that are processes."},
		{"content_refused", "Content refused", "content refused", damage, "count",
			"Times that an agent would not load content after the injection: a bad signature, a bad format."},
		{"boots", "Boots", "boots", damage, "count", "Starts of a host after the injection."},
		{"boot_loops", "Boot loops", "boot loops", damage, "count",
			"Two or more panics of a host with no healthy beat between, counted once for each such series."},
		{"time_to_recover_median", "Time to recover, median", "recovery median", recovery, "s",
			"Per host, from its first unavailability to the start of lasting availability. By Kaplan-Meier, so that hosts " +
				"not back by the deadline count as what they are: still waiting."},
		{"time_to_recover_p90", "Time to recover, 90 %", "recovery 90 %", recovery, "s",
			"Time by which 90 % of the hosts hit were back."},
		{"time_to_recover_p95", "Time to recover, 95 %", "recovery 95 %", recovery, "s",
			"Time by which 95 % of the hosts hit were back."},
		{"time_to_recover_mean", "Time to recover, restricted mean", "recovery mean", recovery, "s",
			"Mean time to recover with each host's time cut at the deadline: the area above the recovery curve."},
		{"censored", "Not back by the deadline", "not back", recovery, "count",
			"Hosts that were hit and were not back when observation ended (censored)."},
		{"fleet_recovery_50", "Half of the hosts hit are back", "fleet 50 % back", recovery, "s",
			"Time from the injection until half of the hosts hit are back."},
		{"fleet_recovery_90", "90 % of the hosts hit are back", "fleet 90 % back", recovery, "s",
			"Time from the injection until 90 % of the hosts hit are back."},
		{"fleet_recovery_97", "97 % of the hosts hit are back", "fleet 97 % back", recovery, "s",
			"Time from the injection until 97 % of the hosts hit are back."},
		{"fleet_recovery_99", "99 % of the hosts hit are back", "fleet 99 % back", recovery, "s",
			"Time from the injection until 99 % of the hosts hit are back."},
		{"fleet_recovery_100", "All hosts hit are back", "fleet 100 % back", recovery, "s",
			"Time from the injection until every host hit is back."},
		{"detection_before", "Threats detected before", "detection before", protection, "share",
			"Share of synthetic threats stopped or reported before the injection."},
		{"detection_during", "Threats detected during", "detection during", protection, "share",
			"The same from the injection to the end of the outage."},
		{"detection_after", "Threats detected after", "detection after", protection, "share",
			"The same after the outage."},
		{"work_latency", "Workload latency", "work latency", protection, "s",
			"Time of one unit of the workload, a program execution."},
	}
}

// summaryKeys are the metrics of the compact tables, in the order of their columns.
func summaryKeys() []string {
	return []string{"blast_radius", "protection_radius", "peak_unavailable", "time_to_recover_median",
		"fleet_recovery_100", "host_seconds_lost", "censored", "crashes", "agent_crashes", "boot_loops",
		"detection_during", "work_latency"}
}

// shownMetrics are the catalogue's metrics that some cell has, followed by those that the catalogue does not know.
func shownMetrics(cells []results.Cell) []metric {
	present := map[string]bool{}
	for _, c := range cells {
		for key := range c.Metrics {
			present[key] = true
		}
	}
	var shown []metric
	for _, m := range catalogue() {
		if present[m.Key] {
			shown = append(shown, m)
			delete(present, m.Key)
		}
	}
	var others []string
	for key := range present {
		others = append(others, key)
	}
	slices.Sort(others)
	for _, key := range others {
		shown = append(shown, metric{key, key, key, "Other", "", "As the version that computed it defines it."})
	}
	return shown
}

// summaryMetrics are those of the compact tables that some cell has.
func summaryMetrics(cells []results.Cell) []metric {
	shown := shownMetrics(cells)
	var summary []metric
	for _, key := range summaryKeys() {
		if i := slices.IndexFunc(shown, func(m metric) bool { return m.Key == key }); i >= 0 {
			summary = append(summary, shown[i])
		}
	}
	return summary
}
