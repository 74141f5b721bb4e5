package report

import (
	"slices"

	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/scenarios"
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

// catalogue lists the metrics in the order in which reports show them. What they are counted in, and what they mean, is the
// language's to say.
func catalogue() []metric {
	const reach, damage, recovery, protection = "Reach", "Damage", "Recovery", "Protection and cost"
	defined := map[string]scenarios.Metric{}
	for _, m := range scenarios.Metrics() {
		defined[m.Name] = m
	}
	all := []metric{
		{Key: "blast_radius", Label: "Blast radius", Short: "blast radius", Group: reach},
		{Key: "protection_radius", Label: "Protection radius", Short: "protection radius", Group: reach},
		{Key: "peak_unavailable", Label: "Peak unavailable", Short: "peak unavailable", Group: reach},
		{Key: "stranded", Label: "Stranded", Short: "stranded", Group: reach},
		{Key: "host_seconds_lost", Label: "Time lost per host", Short: "time lost per host", Group: damage},
		{Key: "protection_gap", Label: "Protection gap per host", Short: "protection gap", Group: damage},
		{Key: "crashes", Label: "Kernel crashes", Short: "kernel crashes", Group: damage},
		{Key: "agent_crashes", Label: "Agent crashes", Short: "agent crashes", Group: damage},
		{Key: "content_refused", Label: "Content refused", Short: "content refused", Group: damage},
		{Key: "boots", Label: "Boots", Short: "boots", Group: damage},
		{Key: "boot_loops", Label: "Boot loops", Short: "boot loops", Group: damage},
		{Key: "hangs", Label: "Hangs", Short: "hangs", Group: damage},
		{Key: "blocked_work", Label: "Blocked work", Short: "blocked work", Group: damage},
		{Key: "processes_killed", Label: "Processes killed", Short: "processes killed", Group: damage},
		{Key: "polls_failed", Label: "Failed polls", Short: "failed polls", Group: damage},
		{Key: "time_to_recover_median", Label: "Time to recover, median", Short: "recovery median", Group: recovery},
		{Key: "time_to_recover_p90", Label: "Time to recover, 90 %", Short: "recovery 90 %", Group: recovery},
		{Key: "time_to_recover_p95", Label: "Time to recover, 95 %", Short: "recovery 95 %", Group: recovery},
		{Key: "time_to_recover_mean", Label: "Time to recover, restricted mean", Short: "recovery mean", Group: recovery},
		{Key: "censored", Label: "Not back by the deadline", Short: "not back", Group: recovery},
		{Key: "relapses", Label: "Relapses", Short: "relapses", Group: recovery},
		{Key: "fleet_recovery_50", Label: "Half of the hosts hit are back", Short: "fleet 50 % back", Group: recovery},
		{Key: "fleet_recovery_90", Label: "90 % of the hosts hit are back", Short: "fleet 90 % back", Group: recovery},
		{Key: "fleet_recovery_97", Label: "97 % of the hosts hit are back", Short: "fleet 97 % back", Group: recovery},
		{Key: "fleet_recovery_99", Label: "99 % of the hosts hit are back", Short: "fleet 99 % back", Group: recovery},
		{Key: "fleet_recovery_100", Label: "All hosts hit are back", Short: "fleet 100 % back", Group: recovery},
		{Key: "visibility", Label: "Visibility", Short: "visibility", Group: protection},
		{Key: "detection_before", Label: "Probes detected before", Short: "detection before", Group: protection},
		{Key: "detection_during", Label: "Probes detected during", Short: "detection during", Group: protection},
		{Key: "detection_after", Label: "Probes detected after", Short: "detection after", Group: protection},
		{Key: "work_latency", Label: "Workload latency", Short: "work latency", Group: protection},
		{Key: "overhead", Label: "Overhead", Short: "overhead", Group: protection},
		{Key: "memory_taken", Label: "Memory taken", Short: "memory taken", Group: protection},
		{Key: "run_delay", Label: "Run delay", Short: "run delay", Group: protection},
	}
	for i := range all {
		m := defined[all[i].Key]
		all[i].Unit, all[i].Definition = string(m.Unit), m.Definition
	}
	return all
}

// summaryKeys are the metrics of the compact tables, in the order of their columns.
func summaryKeys() []string {
	return []string{"blast_radius", "protection_radius", "peak_unavailable", "time_to_recover_median",
		"fleet_recovery_100", "host_seconds_lost", "censored", "crashes", "agent_crashes", "boot_loops",
		"detection_during", "visibility", "overhead", "work_latency"}
}

// shownMetrics are the catalogue's metrics that some cell has, followed by those that the catalogue does not know.
func shownMetrics(cells []results.Cell, clock string) []metric {
	present := map[string]bool{}
	for _, c := range cells {
		for key := range c.Metrics {
			present[key] = true
		}
	}
	var shown []metric
	for _, m := range catalogue() {
		if present[m.Key] {
			if m.Key == "overhead" {
				m.Label, m.Short = overheadName(clock), lowerFirst(overheadName(clock))
			}
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
		shown = append(shown, metric{Key: key, Label: key, Short: key, Group: "Other", Definition: "As the version that computed it defines it."})
	}
	return shown
}

// summaryMetrics are those of the compact tables that some cell has. Overhead needs a fleet without an agent to compare with,
// which most plans do not have: where there is none, nothing is said of it.
func summaryMetrics(cells []results.Cell, clock string) []metric {
	shown := shownMetrics(cells, clock)
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

// overheadName says what an overhead is of: the virtual clock counts instructions, and nothing else takes time there.
func overheadName(clock string) string {
	if clock == scenarios.ClockVirtual {
		return "Instruction overhead"
	}
	return "Overhead"
}
