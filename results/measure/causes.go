package measure

import (
	"cmp"
	"path"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/scenarios"
)

// A panicked is one panic of a host.
type panicked struct {
	at time.Duration // after the injection
	fleet.Panic
	dump string // file of the host's memory at that; empty when it was not kept
}

// cause counts a panic of a sample by its distinct cause. place is the trial's, in the names of files.
func (c *cell) cause(host results.HostDetail, place string, p panicked) {
	key := parsed(p.Panic)
	x := c.causes[key]
	if x == nil {
		x = &cause{hosts: map[sampleKey]bool{}, Cause: results.Cause{
			Title: p.Title, Type: p.Type, Module: p.Module, Function: p.Function, Offset: p.Offset, Caller: p.Caller,
			Host: host.Host, At: p.at.Seconds(), Excerpt: p.Excerpt,
		}}
		c.causes[key] = x
	}
	if p.dump != "" && x.Dump == "" {
		x.Dump = path.Join(results.HostsDir, place, host.Host, p.dump)
	}
	x.hosts[sampleKey{host.Repeat, host.Host}] = true
	x.Count++
	x.Hosts = len(x.hosts)
}

// A sampleKey names a host in one repeat.
type sampleKey struct {
	repeat int
	host   string
}

// A cause is a results.Cause with the samples that it has struck.
type cause struct {
	results.Cause
	hosts map[sampleKey]bool
}

// ranked lists the distinct causes of panics, the most frequent first.
func (c *cell) ranked() []results.Cause {
	causes := []results.Cause{}
	for _, x := range c.causes {
		causes = append(causes, x.Cause)
	}
	slices.SortFunc(causes, frequent)
	return causes
}

// frequent orders causes, the most frequent first.
func frequent(a, b results.Cause) int {
	return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Title, b.Title), cmp.Compare(a.Offset, b.Offset),
		cmp.Compare(a.Type+a.Module+a.Function, b.Type+b.Module+b.Function), cmp.Compare(a.Caller, b.Caller))
}

// overall lists the distinct causes of the panics of all cells, the most frequent first.
func overall(p *scenarios.Plan, cells map[string]*cell) []results.RunCause {
	byKey := map[fleet.Panic]*results.RunCause{}
	for _, c := range p.Cells {
		for key, x := range cells[c.ID].causes {
			all := byKey[key]
			if all == nil {
				all = &results.RunCause{Cause: x.Cause}
				all.Count, all.Hosts = 0, 0
				byKey[key] = all
			}
			all.Dump = cmp.Or(all.Dump, x.Dump)
			all.Count += x.Count
			all.Hosts += x.Hosts
			all.Cells = append(all.Cells, results.Struck{Cell: c.ID, Count: x.Count, Hosts: x.Hosts})
		}
	}
	causes := []results.RunCause{}
	for _, x := range byKey {
		causes = append(causes, *x)
	}
	slices.SortFunc(causes, func(a, b results.RunCause) int { return frequent(a.Cause, b.Cause) })
	return causes
}

// parsed is what tells causes apart.
func parsed(p fleet.Panic) fleet.Panic {
	p.Excerpt, p.Source = "", ""
	return p
}
