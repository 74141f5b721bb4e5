package results

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/scenarios"
)

// maxDistinct is how many hosts of a journal are read at most, of those that differ: a line of two hundred bytes can
// tell of millions. Trials of the same hosts share them.
const maxDistinct = 2_000_000

// A hostGroup is how a journal tells of hosts that follow one another and differ in nothing but their names, which count
// up: the first has this name, and each other one the next.
type hostGroup struct {
	fleet.HostSpec
	Count int `json:"count,omitempty"` // of hosts; 0 is one
}

// A trialEntry is a TrialHeader as a journal has it.
type trialEntry struct {
	TrialHeader
	Hosts []hostGroup `json:"hosts"`
}

// groupsOf are hosts in as few groups as tell of them in their order.
func groupsOf(hosts []fleet.HostSpec) []hostGroup {
	groups := []hostGroup{}
	next := "" // the name of a further host of the last group; "" when it can have none
	for _, h := range hosts {
		if next != "" && h.Name == next {
			last := &groups[len(groups)-1]
			same := h
			if same.Name = last.Name; same == last.HostSpec {
				last.Count = max(1, last.Count) + 1
				next = nextName(h.Name)
				continue
			}
		}
		groups = append(groups, hostGroup{HostSpec: h})
		next = nextName(h.Name)
	}
	return groups
}

// hostsOf is the inverse of groupsOf, for as many hosts as a trial is to have.
func hostsOf(groups []hostGroup, want int) ([]fleet.HostSpec, error) {
	sum := 0
	for _, g := range groups {
		if g.Count < 0 || g.Count > want {
			return nil, fmt.Errorf("%d hosts from %.60q on, and the plan has %d", g.Count, g.Name, want)
		}
		sum += max(1, g.Count)
	}
	if sum != want {
		return nil, fmt.Errorf("%d hosts, and the plan has %d", sum, want)
	}
	hosts := make([]fleet.HostSpec, 0, want)
	for _, g := range groups {
		h := g.HostSpec
		hosts = append(hosts, h)
		for i := 1; i < g.Count; i++ {
			if h.Name = nextName(h.Name); h.Name == "" {
				return nil, fmt.Errorf("%d hosts from %.60q on: such names do not count up", g.Count, g.Name)
			}
			hosts = append(hosts, h)
		}
	}
	return hosts, nil
}

// nextName is the name whose number at its end is higher by one, with as many digits or more: "host-10" after "host-09";
// "" when it ends in no number, or in one that is too large.
func nextName(name string) string {
	prefix := strings.TrimRight(name, "0123456789")
	digits := name[len(prefix):]
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s%0*d", prefix, len(digits), n+1)
}

// A wave is a part of a cell's fleet, or all of it.
type wave struct {
	cell string
	wave int
}

// A hostSet is what is read of a trial's hosts, and may be of others': it is only read.
type hostSet struct {
	groups []hostGroup
	hosts  []fleet.HostSpec
	names  map[string]bool
}

// hostsOf are those of a trial, of which there have to be so many.
func (rd *reader) hostsOf(groups []hostGroup, t TrialHeader, c scenarios.Cell, want int) (*hostSet, error) {
	of := wave{t.Cell, t.Wave}
	if latest := rd.hosts[of]; latest != nil && slices.Equal(latest.groups, groups) {
		return latest, nil
	}
	if rd.distinct += want; rd.distinct > maxDistinct {
		return nil, fmt.Errorf("more than %d hosts that differ: no more are read", maxDistinct)
	}
	hosts, err := hostsOf(groups, want)
	if err != nil {
		return nil, err
	}
	set := &hostSet{groups, hosts, make(map[string]bool, len(hosts))}
	if err := set.check(rd.journal.Plan, c); err != nil {
		return nil, err
	}
	rd.hosts[of] = set
	return set, nil
}

func (s *hostSet) check(p *scenarios.Plan, c scenarios.Cell) error {
	for _, h := range s.hosts {
		switch {
		case !isHostName(h.Name):
			return fmt.Errorf("host %.60q: a host's name is lower-case letters, digits and dashes", h.Name)
		case s.names[h.Name]:
			return fmt.Errorf("two hosts are %s", h.Name)
		case h.Architecture != c.Fleet.Architecture:
			return fmt.Errorf("host %s is of architecture %.60q, and its fleet of %s",
				h.Name, h.Architecture, c.Fleet.Architecture)
		case h.Node != "" && !slices.ContainsFunc(p.Nodes, func(n scenarios.Node) bool { return n.Name == h.Node }):
			return fmt.Errorf("host %s is on machine %.60q, which the plan does not have", h.Name, h.Node)
		}
		s.names[h.Name] = true
	}
	return nil
}

// isHostName tells whether name can be a host's, which names files too.
func isHostName(name string) bool {
	return name != "" && len(name) <= 64 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
