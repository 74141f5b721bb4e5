package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/results"
)

// notes say what a reader has to know of how the figures came about, before any of them.
func notes(r *results.Results) []string {
	var said []string
	for _, note := range []string{replayed(r), sharded(r), unchecked(r), resumed(r)} {
		if note != "" {
			said = append(said, note)
		}
	}
	return said
}

// sharded says that the trials are a part of the plan's; it is empty for a run that has all of them.
func sharded(r *results.Results) string {
	if r.Run.Shard == "" {
		return ""
	}
	return "This is shard " + oneLine(r.Run.Shard) + " of the plan's trials: cells that others run too say little yet. " +
		"fleetfall merge makes one run of all shards, and judges what is expected of it."
}

// replayed says of which run the figures are, when they are not of hosts of their own; it is empty for any other run.
func replayed(r *results.Results) string {
	if r.Run.Replays == "" {
		return ""
	}
	return "This is a replay of run " + oneLine(r.Run.Replays) + ": what happened was recorded then, and nothing was run again."
}

// unchecked says that damage to the journal may not have been noticed; it is empty for one whose entries carry
// checksums.
func unchecked(r *results.Results) string {
	if !r.Run.Unchecked {
		return ""
	}
	return "The journal is of a fleetfall from before its entries carried checksums: " +
		"it may have been damaged since, and nobody would know."
}

// resumed says when a run was taken up again, and what was other by then; it is empty for one that went through.
func resumed(r *results.Results) string {
	var parts []string
	for _, p := range r.Run.Resumed {
		text := "The run was taken up again on " + when(p.Started)
		var names []string
		for _, f := range p.Changed {
			names = append(names, oneLine(f.Name))
		}
		if len(names) > 0 {
			text += "; what it ran on was other than at its start in: " + strings.Join(names, ", ")
		}
		parts = append(parts, text+".")
	}
	return strings.Join(parts, " ")
}

// changedFacts are the facts of provenance that were other in later parts of a run.
func changedFacts(r *results.Results) []results.Fact {
	var facts []results.Fact
	for _, p := range r.Run.Resumed {
		for _, f := range p.Changed {
			value := f.Value
			if value == "" {
				value = missing
			}
			facts = append(facts, results.Fact{Name: f.Name + ", from " + when(p.Started), Value: value})
		}
	}
	return facts
}

// when is a time of RFC 3339 without its clutter.
func when(text string) string {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return oneLine(text)
	}
	return t.Format("2006-01-02 15:04 MST")
}

// waves says in how many parts a cell's fleet was run; it is empty for one that was whole.
func waves(c results.Cell) string {
	if c.Waves == 0 {
		return ""
	}
	hosts := map[int]map[string]bool{}
	for _, h := range c.HostsDetail {
		if hosts[h.Wave] == nil {
			hosts[h.Wave] = map[string]bool{}
		}
		hosts[h.Wave][h.Host] = true
	}
	var sizes []string
	least, most := c.Hosts, 0
	for wave := 1; wave <= c.Waves && len(sizes) < c.Hosts; wave++ {
		if n := len(hosts[wave]); n > 0 {
			sizes = append(sizes, strconv.Itoa(n))
			least, most = min(least, n), max(most, n)
		}
	}
	of := ""
	switch {
	case len(sizes) > 6 && least < most:
		of = fmt.Sprintf(" of %d to %s", least, count(most, "host"))
	case len(sizes) > 6:
		of = " of " + count(most, "host")
	case len(sizes) > 0:
		of = fmt.Sprintf(" of %s hosts", strings.Join(sizes, ", "))
	}
	return fmt.Sprintf("run in %s%s: what couples hosts, such as technicians, does so within a wave", count(c.Waves, "wave"), of)
}

// wavesOf says it of all cells that were run in waves, of those to which the same happened together.
func wavesOf(r *results.Results) []string {
	var order []string
	who := map[string][]string{}
	names := labels(r.Cells)
	for i, c := range r.Cells {
		if s := waves(c); s != "" {
			if who[s] == nil {
				order = append(order, s)
			}
			who[s] = append(who[s], names[i])
		}
	}
	var out []string
	for _, s := range order {
		out = append(out, strings.Join(who[s], ", ")+": "+s+".")
	}
	return out
}

// retried says what was tried again because the testbed failed it; it is empty when nothing was.
func retried(r *results.Results) string {
	trials, hosts := 0, 0
	for _, c := range r.Cells {
		for _, t := range c.Trials {
			if t.Attempt == 2 && !t.Superseded {
				trials++
			}
		}
		for _, h := range c.HostsDetail {
			if h.Retried > 0 {
				hosts++
			}
		}
	}
	var what []string
	if trials > 0 {
		what = append(what, count(trials, "trial"))
	}
	if hosts > 0 {
		what = append(what, "the first boot of "+count(hosts, "host"))
	}
	if len(what) == 0 {
		return ""
	}
	return "Tried again because the testbed failed: " + strings.Join(what, " and ") + ". First attempts are in no figure."
}

// trialName tells a trial from the others of its cell.
func trialName(t results.Trial) string {
	name := fmt.Sprintf("repeat %d", t.Repeat)
	if t.Wave > 0 {
		name += fmt.Sprintf(", wave %d", t.Wave)
	}
	if t.Attempt > 0 {
		name += fmt.Sprintf(", attempt %d", t.Attempt)
	}
	return name
}

// invalidSamples lists what of a cell the testbed failed: whole trials, and hosts, those with one reason together.
func invalidSamples(label string, c results.Cell) []invalidSample {
	var out []invalidSample
	for _, t := range c.Trials {
		if t.Status == "invalid" {
			sample := "whole " + trialName(t)
			if t.Superseded {
				sample += ", which was run again"
			}
			out = append(out, invalidSample{label, sample, oneLine(t.Reason)})
		}
	}
	type key struct {
		repeat, wave int
		reason       string
	}
	var order []key
	names := map[key][]string{}
	for _, h := range c.HostsDetail {
		if h.Invalid == "" {
			continue
		}
		k := key{h.Repeat, h.Wave, oneLine(h.Invalid)}
		if names[k] == nil {
			order = append(order, k)
		}
		name := oneLine(h.Host)
		if h.Node != "" {
			name += " on " + oneLine(h.Node)
		}
		names[k] = append(names[k], name)
	}
	for _, k := range order {
		out = append(out, invalidSample{label, some(names[k]) + fmt.Sprintf(", repeat %d", k.repeat), k.reason})
	}
	return out
}

// leftOut says how many samples are in no figure, and why; it is empty when there are none.
func leftOut(r *results.Results) string {
	invalid, unfinished := 0, 0
	for _, c := range r.Cells {
		invalid, unfinished = invalid+c.Invalid, unfinished+c.Unfinished
	}
	still := " had not come to an end when the run was interrupted"
	if r.Run.Status == results.StatusRunning {
		still = " had not come to an end by now"
	}
	var parts []string
	if invalid > 0 {
		parts = append(parts, count(invalid, "host sample")+" failed for reasons of the testbed")
	}
	if unfinished > 0 {
		parts = append(parts, count(unfinished, "host sample")+still)
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ", ") + ": left out of every figure."
}

// some is a list of names that stays short.
func some(names []string) string {
	const enough = 5
	if len(names) <= enough+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:enough], ", "), len(names)-enough)
}
