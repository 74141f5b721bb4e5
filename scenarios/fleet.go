package scenarios

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// fleet reads a fleet block, which is several fleets when it has a for_each.
func (s *script) fleet(sec *section, taken map[string]hcl.Range) {
	if !sec.has("for_each") {
		sec.checkName(taken)
		s.fleets = append(s.fleets, declared[Fleet]{sec.fleet(), sec})
		return
	}
	if !validName(sec.name) {
		sec.checkName(map[string]hcl.Range{})
	}
	before := len(s.fleets)
	s.fleetForEach(sec, taken)
	s.incomplete = s.incomplete || len(s.fleets) == before
}

func (s *script) fleetForEach(sec *section, taken map[string]hcl.Range) {
	v, ok := sec.value("for_each")
	if !ok {
		if v != cty.NilVal && v.IsNull() {
			sec.fail("for_each", "Invalid for_each", "for_each must not be null.")
		}
		return
	}
	if !v.CanIterateElements() {
		sec.fail("for_each", "Invalid for_each",
			"for_each must be a list or set of text, or a map or object, not %s.", typeName(v.Type()))
		return
	}
	count := 0
	for it := v.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if t := v.Type(); !t.IsMapType() && !t.IsObjectType() {
			key = value // of a list or set the elements themselves name the fleets
		}
		if key.Type() != cty.String || key.IsNull() {
			sec.fail("for_each", "Invalid for_each",
				"for_each must be a list or set of text, or a map or object; an element is %s.", typeName(key.Type()))
			return
		}
		if count++; count > maxCells {
			sec.fail("for_each", "Too many fleets", "for_each may make %d fleets.", maxCells)
			return
		}
		sec.l.budget.charge(stepsOfBlock)
		each := *sec
		each.name = sec.name + "-" + key.AsString()
		each.ctx = sec.ctx.NewChild()
		each.ctx.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})}
		each.checkName(taken)
		s.fleets = append(s.fleets, declared[Fleet]{each.fleet(), &each})
	}
	if count == 0 {
		sec.fail("for_each", "Invalid for_each",
			"for_each is empty and makes no fleet: give it an element or remove the block.")
	}
}

func (s *section) fleet() Fleet {
	f := Fleet{
		Name:         s.name,
		Architecture: s.choice("architecture", "", "architectures", architectures),
		Hosts:        int(s.integer("hosts", 1, maxFleet, 1)),
		Image:        s.ident("image", "tiny"),
		Memory:       s.size("memory", minMemory, maxMemory, 96<<20),
		Oops:         s.choice("oops", oopsPanic, "ways to take a fault in the kernel", oopses),
		Control:      s.flag("control", false),
		Boot:         s.choice("boot", bootClone, "ways to boot", boots),
		Waves:        s.flag("waves", false),
		CrashDump:    s.flag("crash_dump", false),
	}
	known := s.l.opts.Images
	if known != nil && s.settled("image") && validName(f.Image) && !slices.Contains(known, f.Image) {
		s.fail("image", "Unknown image", "There is no image %q.%s", f.Image, hint(f.Image, "images", known))
	}
	for _, m := range s.textList("mitigations") {
		if !slices.Contains(mitigations, m) {
			s.fail("mitigations", "Unknown mitigation",
				"No agent has a mitigation %q yet: remove it.%s", shorten(m), hint(m, "mitigations", mitigations))
		}
		f.Mitigations = append(f.Mitigations, m)
	}
	if f.Name == controlFleet && !f.Control && s.settled("control") {
		s.l.errorf(s.label, "Reserved name",
			"%q is the name of the control arm: add control = true, or choose another name.", controlFleet)
	}
	return f
}

// settled tells whether an attribute's value is not merely unknown for a reason that was reported already.
func (s *section) settled(name string) bool {
	attr := s.attrs[name]
	if attr == nil {
		return true
	}
	v, diags := attr.Expr.Value(s.ctx)
	return !diags.HasErrors() && v.IsWhollyKnown()
}

func (s *section) textList(name string) []string {
	v, ok := s.typed(name, cty.List(cty.String), "a list of text")
	if !ok {
		return nil
	}
	var list []string
	for _, e := range v.AsValueSlice() {
		if e.IsNull() {
			s.fail(name, "Wrong type", "%q must be a list of text; an element is null.", name)
			return nil
		}
		list = append(list, e.AsString())
	}
	return list
}
