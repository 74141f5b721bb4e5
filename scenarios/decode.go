package scenarios

import (
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/fleetfall/fleetfall/agents/content"
)

// A script is a scenario's blocks, read and checked one by one but not yet multiplied.
type script struct {
	head       *section   // the scenario block; where there is none, a stand-in at the file's end
	plan       Plan       // what comes from the scenario and guest blocks
	clockFrom  *hcl.Range // where the clock was asked for from outside; nil when it was not
	nodes      []declared[Node]
	daemons    map[string]*section // of the nodes, by daemonuri.URI.Daemon
	fleets     []declared[Fleet]
	updates    []declared[Update]
	rollouts   []declared[string]
	recoveries []declared[Recovery]
	expects    []expectation
	excludes   []selector
	broken     map[string]bool // types of block of which one has a mistake: what follows from them may be wrong too
	incomplete bool            // blocks are missing that somebody tried to write: their names are not known
}

// A declared value is one with the block that it comes from.
type declared[T any] struct {
	value T
	from  *section
}

// decode reads every block but variables and locals. expanded is the body with its dynamic blocks carried out,
// and end the range of its end.
func (l *loader) decode(expanded hcl.Body, end hcl.Range) *script {
	content, _, diags := expanded.PartialContent(language.schema("expect", "fleet", "guest", "host", "matrix",
		"recovery", "rollout", "scenario", "update"))
	l.append(diags)
	s := &script{
		plan:       Plan{Expect: []Expect{}, Variables: []Setting{}},
		daemons:    map[string]*section{},
		broken:     map[string]bool{},
		incomplete: l.dropped || diags.HasErrors(),
	}
	names := map[string]map[string]hcl.Range{} // of the blocks before, by type
	for _, block := range content.Blocks {
		before := len(l.diags)
		sec := l.open(language.block(block.Type), block)
		if names[block.Type] == nil {
			names[block.Type] = map[string]hcl.Range{}
		}
		switch block.Type {
		case "scenario":
			s.head = sec
			sec.checkName(names[block.Type])
			s.scenario(sec)
		case "guest":
			s.guest(sec)
		case "host":
			sec.checkName(names[block.Type])
			s.node(sec)
		case "fleet":
			s.fleet(sec, names[block.Type])
		case "update":
			sec.checkName(names[block.Type])
			s.updates = append(s.updates, declared[Update]{s.update(sec), sec})
		case "rollout":
			sec.checkName(names[block.Type])
			s.rollouts = append(s.rollouts, declared[string]{sec.name, sec})
		case "recovery":
			sec.checkName(names[block.Type])
			s.recoveries = append(s.recoveries, declared[Recovery]{s.recovery(sec), sec})
		case "expect":
			s.expects = append(s.expects, sec.expectation(names[block.Type]))
		case "matrix":
			s.excludes = append(s.excludes, sec.selectors("exclude")...)
		}
		s.broken[block.Type] = s.broken[block.Type] || len(l.diags) > before
	}
	if s.head == nil {
		s.head = &section{l: l, ctx: l.ctx, what: "scenario", def: end}
		s.broken["scenario"] = true
	}
	if s.plan.Tempo == (Tempo{}) {
		s.guest(&section{l: l, ctx: l.ctx, what: "guest"})
	}
	s.plan.Variables = append(s.plan.Variables, l.settings...)
	s.overrideClock(l)
	return s
}

// checkName checks a block's label as a name that no other block of its type has.
func (s *section) checkName(taken map[string]hcl.Range) {
	if !validName(s.name) {
		s.l.errorf(s.label, "Invalid name", "%q is no name for a %s: %s.", shorten(s.name), s.what, nameRule)
	}
	s.checkUnique(taken)
}

func (s *section) checkUnique(taken map[string]hcl.Range) {
	if first, again := taken[s.name]; again {
		s.l.errorf(s.def, "Duplicate "+s.what,
			"There is already %s %q at %s; rename or remove one.", withArticle(s.what), shorten(s.name), first)
		return
	}
	taken[s.name] = s.def
}

func (s *script) scenario(sec *section) {
	s.plan.Scenario = sec.name
	s.plan.Description = sec.text("description", "")
	s.plan.Seed = uint64(sec.integer("seed", 0, maxSeed, 1))
	s.plan.Deadline = sec.duration("deadline", time.Second, maxDuration, maxDuration)
	s.plan.Repeat = int(sec.integer("repeat", 1, maxRepeat, 1))
	s.backend(sec)
	s.plan.Clock = sec.choice("clock", "", "clocks", clocks)
	s.plan.StableFor = sec.duration("stable_for", time.Millisecond, maxDuration, 30*time.Second)
	s.plan.Liveness = sec.duration("liveness", time.Millisecond, maxDuration, 30*time.Second)
	s.plan.Latency = sec.duration("latency_bound", time.Millisecond, maxDuration, 5*time.Second)
}

// overrideClock puts the clock that was asked for from outside in the place of the scenario's.
func (s *script) overrideClock(l *loader) {
	from := source{origin: "--clock", text: l.opts.Clock}
	switch {
	case from.text == "":
	case slices.Contains(clocks, from.text):
		l.show(from.origin, from.text)
		at := from.start()
		s.plan.Clock, s.clockFrom = from.text, &at
	default:
		l.show(from.origin, from.text)
		from.text = shorten(from.text)
		l.errorf(from.start(), "Unknown clock", "There is no clock %q.%s", from.text, hint(from.text, "clocks", clocks))
	}
}

func (s *script) guest(sec *section) {
	const least, most = 10 * time.Millisecond, time.Hour
	s.plan.Tempo = Tempo{
		Beat:   sec.duration("beat", least, most, time.Second),
		Poll:   sec.duration("poll", least, most, 2*time.Second),
		Work:   sec.duration("work", least, most, time.Second),
		Threat: sec.duration("threat", least, most, 2*time.Second),
	}
}

func (s *script) update(sec *section) Update {
	u := Update{
		Name:        sec.name,
		At:          sec.duration("at", 0, maxDuration, 0),
		RevertAfter: sec.duration("revert_after", 0, maxDuration, 0),
		Signed:      sec.flag("signed", true),
		Fault:       harmless,
	}
	blocks := sec.blocks.OfType("fault")
	switch {
	case sec.has("fault") && len(blocks) > 0:
		sec.l.errorf(blocks[0].DefRange, "Two faults",
			"The update has the attribute fault at %s and a fault block: keep one.", sec.attrs["fault"].Range)
	case sec.has("fault"):
		if u.Fault = sec.choice("fault", "", "faults", faultNames()); u.Fault != "" {
			u.Parameters = sec.parameters(u.Fault, nil)
		}
	case len(blocks) > 0:
		f := sec.l.open(language.block("update").block("fault"), blocks[0])
		f.ctx = sec.ctx
		if u.Fault = f.name; !slices.Contains(faultNames(), f.name) {
			f.l.errorf(f.label, "Unknown fault",
				"There is no fault %q.%s", shorten(f.name), hint(f.name, "faults", faultNames()))
			break
		}
		u.Parameters = f.parameters(u.Fault, f.attrs)
	default:
		sec.l.errorf(sec.def, "Missing fault",
			"An update needs a fault, for example fault = \"field_count\", or fault = \"none\" for a harmless one.%s",
			hint("", "faults", faultNames()))
	}
	return u
}

func faultNames() []string {
	var names []string
	for _, f := range content.Faults() {
		names = append(names, f.Name)
	}
	return names
}

// parameters are all those of a fault, with the defaults of those that are not among the given.
func (s *section) parameters(name string, given hcl.Attributes) map[string]string {
	fault, err := content.FindFault(name)
	if err != nil {
		return nil // reported: not one of faultNames
	}
	all := map[string]string{}
	var known []string
	for _, p := range fault.Parameters {
		all[p.Name] = p.Default
		known = append(known, p.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(known, name) {
			s.l.errorf(given[name].NameRange, "Unsuitable parameter",
				"The fault %q has no parameter %q.%s", fault.Name, name,
				hint(name, "parameters", known))
			continue
		}
		v, ok := s.typed(name, cty.String, "text")
		if !ok {
			continue
		}
		if err := fault.Check(content.Params{name: v.AsString()}); err != nil {
			s.fail(name, "Invalid parameter", "%s", sentence(err))
			continue
		}
		all[name] = v.AsString()
	}
	if err := fault.Check(all); err != nil { // each by itself is fine, and they do not go together
		s.fail(slices.Max(slices.Collect(maps.Keys(given))), "Invalid parameters", "%s", sentence(err))
	}
	if len(all) == 0 {
		return nil
	}
	return all
}
