package scenarios

import (
	"fmt"
	"slices"
)

// DefaultBackend runs the hosts of a scenario that names no backend.
const DefaultBackend = "libvirt"

// A Backend is one that a scenario can name, as far as the language has to know it.
type Backend struct {
	Name     string
	MaxHosts int64             // of a fleet, on each machine
	Lacks    func(Part) []Lack // what the backend cannot do that a part needs; nil when it can do everything
}

// A Part is what of a plan comes from one block: a *Plan, of which the scenario block alone is meant, a Node, a Fleet,
// an Update or a Recovery.
type Part interface{ part() }

func (*Plan) part()    {}
func (Node) part()     {}
func (Fleet) part()    {}
func (Update) part()   {}
func (Recovery) part() {}

// A Lack is something that a part of a plan needs and a backend cannot do.
type Lack struct {
	Attribute string // of the part's block, that asks for it; "" when the block itself does
	Cannot    string // what the backend cannot do, for people: `keep the virtual clock`
}

// lacks is what the backend cannot do of what the part needs, as one for each attribute.
func (b Backend) lacks(p Part) []Lack {
	if b.Lacks == nil {
		return nil
	}
	var attributes []string
	cannot := map[string][]string{}
	for _, l := range b.Lacks(p) {
		if cannot[l.Attribute] == nil {
			attributes = append(attributes, l.Attribute)
		}
		cannot[l.Attribute] = append(cannot[l.Attribute], l.Cannot)
	}
	var all []Lack
	for _, a := range attributes {
		all = append(all, Lack{a, orList(cannot[a])})
	}
	return all
}

// backend reads which backend the scenario is for. Where nobody knows the backends, any name is one.
func (s *script) backend(sec *section) {
	known := sec.l.opts.Backends
	if known == nil {
		s.plan.Backend = sec.ident("backend", DefaultBackend)
		return
	}
	var names []string
	for _, b := range known {
		names = append(names, b.Name)
	}
	s.plan.Backend = sec.choice("backend", DefaultBackend, "backends", sorted(names))
}

// onBackend is the plan's backend, if it is among those that are known.
func (s *script) onBackend(l *loader) (Backend, bool) {
	i := slices.IndexFunc(l.opts.Backends, func(b Backend) bool { return b.Name == s.plan.Backend })
	if i < 0 {
		return Backend{}, false
	}
	return l.opts.Backends[i], true
}

// checkBackend reports what blocks ask for and the backend cannot do.
func (s *script) checkBackend(l *loader) {
	on, known := s.onBackend(l)
	if !known || s.broken["scenario"] {
		return
	}
	for _, lack := range on.lacks(&s.plan) {
		if s.clockFrom != nil && lack.Attribute == "clock" {
			instead := l.instead(&s.plan, lack, "--clock")
			l.errorf(*s.clockFrom, beyond, "The backend %q cannot %s.%s", on.Name, lack.Cannot, instead)
			continue
		}
		s.head.beyond(on, &s.plan, lack)
	}
	checkParts(on, s.nodes)
	checkParts(on, s.fleets)
	checkParts(on, s.updates)
	checkParts(on, s.recoveries)
}

func checkParts[P Part](on Backend, parts []declared[P]) {
	for _, p := range parts {
		for _, lack := range on.lacks(p.value) {
			p.from.beyond(on, p.value, lack)
		}
	}
}

// beyond is what is wrong with what a backend cannot do.
const beyond = "Beyond the backend"

// beyond reports that a block, or an attribute of it, asks for what the backend cannot do.
func (s *section) beyond(on Backend, p Part, lack Lack) {
	change := "this " + s.what + " block"
	if lack.Attribute != "" {
		change = fmt.Sprintf("%q", lack.Attribute)
	}
	s.fail(lack.Attribute, beyond, "The backend %q cannot %s.%s", on.Name, lack.Cannot, s.l.instead(p, lack, change))
}

// instead says which backend can do it, and what else can be changed.
func (l *loader) instead(p Part, lack Lack, change string) string {
	var can []string
	for _, b := range l.opts.Backends {
		if !slices.ContainsFunc(b.lacks(p), func(l Lack) bool { return l.Attribute == lack.Attribute }) {
			can = append(can, fmt.Sprintf("%q", b.Name))
		}
	}
	if len(can) == 0 {
		return fmt.Sprintf(" No backend here can: change %s.", change)
	}
	return fmt.Sprintf(" Change %s, or run it on the backend %s, which can.", change, orList(sorted(can)))
}
