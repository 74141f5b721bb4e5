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
	Unit       string // where results do not say: see results.Metric
	Definition string
}

// catalogue lists the metrics in the order in which reports show them.
func catalogue() []metric {
	const reach, damage, recovery, protection = "Reach", "Damage", "Recovery", "Protection and cost"
	return []metric{
		{"blast_radius", "Blast radius", "blast radius", reach, "share",
			"Share of targeted hosts that were ever unavailable after the injection."},
		{"protection_radius", "Protection radius", "protection radius", reach, "share",
			"Share of targeted hosts that were ever unprotected or worse after the injection."},
		{"peak_unavailable", "Peak unavailable", "peak unavailable", reach, "share",
			"Largest share of hosts unavailable at one instant."},
		{"stranded", "Stranded", "stranded", reach, "share",
			"Share of targeted hosts that ended without the content they were last served: the revert, or an update that is " +
				"not reverted, which an agent may also refuse."},
		{"host_seconds_lost", "Time lost per host", "time lost per host", damage, "s",
			"Integral of unavailable hosts over time, divided by the number of targeted hosts."},
		{"protection_gap", "Protection gap per host", "protection gap", damage, "s",
			"Integral of unprotected or worse hosts over time, divided by the number of targeted hosts."},
		{"crashes", "Kernel crashes", "kernel crashes", damage, "count", "Kernel panics after the injection."},
		{"agent_crashes", "Agent crashes", "agent crashes", damage, "count",
			"Ends of the agent's process after the injection, for agents that are processes."},
		{"content_refused", "Content refused", "content refused", damage, "count",
			"Times that an agent would not load content after the injection: a bad signature, a bad format."},
		{"boots", "Boots", "boots", damage, "count", "Starts of a host after the injection."},
		{"boot_loops", "Boot loops", "boot loops", damage, "count",
			"Two or more panics of a host with no healthy beat between, counted once for each such series."},
		{"hangs", "Hangs", "hangs", damage, "count",
			"Times after the injection that a host ran, did not panic and fell silent."},
		{"blocked_work", "Blocked work", "blocked work", damage, "count",
			"Stretches of 10 s after the injection for which a unit of work hung; the unit may have ended later."},
		{"processes_killed", "Processes killed", "processes killed", damage, "count",
			"Processes that a kernel killed for want of memory after the injection."},
		{"polls_failed", "Failed polls", "failed polls", damage, "count",
			"Times after the injection that the updater’s program could not run, and stretches of 10 s for which it hung: a host that " +
				"cannot poll cannot be mended from afar."},
		{"time_to_recover_median", "Time to recover, median", "recovery median", recovery, "s",
			"Per host, from its first unavailability to the start of the first availability that lasts. By Kaplan-Meier, so that hosts " +
				"not back by the deadline count as what they are: still waiting."},
		{"time_to_recover_p90", "Time to recover, 90 %", "recovery 90 %", recovery, "s",
			"Time by which 90 % of the hosts hit were back."},
		{"time_to_recover_p95", "Time to recover, 95 %", "recovery 95 %", recovery, "s",
			"Time by which 95 % of the hosts hit were back."},
		{"time_to_recover_mean", "Time to recover, restricted mean", "recovery mean", recovery, "s",
			"Mean time to recover with each host's time cut at the deadline: the area above the recovery curve."},
		{"censored", "Not back by the deadline", "not back", recovery, "count",
			"Hosts that were hit and had not come back once when observation ended (censored)."},
		{"relapses", "Relapses", "relapses", recovery, "count",
			"Hosts that became unavailable again after they had come back; times of recovery are those of the first."},
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
		{"visibility", "Visibility", "visibility", protection, "share",
			"Share of the synthetic threats stopped or reported before the injection, the mean over their kinds; n counts threats."},
		{"detection_before", "Probes detected before", "detection before", protection, "share",
			"Share of probes stopped or reported before the injection. Probes are the kinds of synthetic threats that every " +
				"agent which works detects."},
		{"detection_during", "Probes detected during", "detection during", protection, "share",
			"The same from the injection to the end of the outage."},
		{"detection_after", "Probes detected after", "detection after", protection, "share",
			"The same after the outage."},
		{"work_latency", "Workload latency", "work latency", protection, "s",
			"Time of one unit of the workload after the injection; of one that hangs, each stretch of 10 s is a unit."},
		{"overhead", "Overhead", "overhead", protection, "ratio",
			"How much longer a unit of work takes before the injection than on the fleets without an agent, the mean over the " +
				"kinds of work. The interval is of the cell’s own hosts; what it is compared with is taken as it is."},
		{"memory_taken", "Memory taken", "memory taken", protection, "bytes",
			"Largest drop of a host’s available memory after the injection, below its mean before, the mean over hosts."},
		{"run_delay", "Run delay", "run delay", protection, "ratio",
			"Time that tasks were ready to run and waited for the CPU after the injection, summed over tasks, as a share of the " +
				"time that passed; more than 100 % when several waited at once."},
	}
}

// summaryKeys are the metrics of the compact tables, in the order of their columns.
func summaryKeys() []string {
	return []string{"blast_radius", "protection_radius", "peak_unavailable", "time_to_recover_median",
		"fleet_recovery_100", "host_seconds_lost", "censored", "crashes", "agent_crashes", "boot_loops",
		"detection_during", "visibility", "overhead", "work_latency"}
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

// summaryMetrics are those of the compact tables that some cell has. Overhead needs a fleet without an agent to compare with,
// which most plans do not have: where there is none, nothing is said of it.
func summaryMetrics(cells []results.Cell) []metric {
	shown := shownMetrics(cells)
	var summary []metric
	for _, key := range summaryKeys() {
		if key == "overhead" && meanOf(cells, key) == nil {
			continue
		}
		if i := slices.IndexFunc(shown, func(m metric) bool { return m.Key == key }); i >= 0 {
			summary = append(summary, shown[i])
		}
	}
	return summary
}
