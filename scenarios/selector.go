package scenarios

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// A selector chooses cells by the names of their parts, e.g. { fleet = "user", recovery = "technicians" }. All its
// terms must hold; one without terms chooses every cell.
type selector struct {
	at     hcl.Range
	wanted map[string]wanted // by key, see selectorKeys
}

type wanted struct {
	name string
	at   hcl.Range
}

func (s selector) terms() map[string]string {
	terms := map[string]string{}
	for key, w := range s.wanted {
		terms[key] = w.name
	}
	return terms
}

// Matches tells whether the expectation is about this cell.
func (e Expect) Matches(c Cell) bool { return matches(e.Where, c) }

func matches(terms map[string]string, c Cell) bool {
	for key, name := range terms {
		if part(c, key) != name {
			return false
		}
	}
	return true
}

// part is the name in a cell that a selector's key speaks of.
func part(c Cell, key string) string {
	switch key {
	case "architecture":
		return c.Fleet.Architecture
	case "fleet":
		return c.Fleet.Name
	case "recovery":
		return c.Recovery.Name
	case "rollout":
		return c.Rollout
	case "update":
		return c.Update.Name
	}
	return ""
}

// selectors reads an attribute that holds one selector or a list of them.
func (s *section) selectors(name string) []selector {
	v, ok := s.value(name)
	if !ok {
		return nil
	}
	expr := s.attrs[name].Expr
	if name == "where" {
		return s.selector(name, v, expr)
	}
	if t := v.Type(); !t.IsListType() && !t.IsSetType() && !t.IsTupleType() {
		s.fail(name, "Wrong type",
			`%q must be a list of objects such as [{ fleet = "user" }], not %s.`, name, typeName(t))
		return nil
	}
	parts, diags := hcl.ExprList(expr) // for the ranges; a list that is computed has but its own
	var all []selector
	for i, element := range v.AsValueSlice() {
		at := expr
		if !diags.HasErrors() && i < len(parts) {
			at = parts[i]
		}
		all = append(all, s.selector(name, element, at)...)
	}
	return all
}

// selector reads one; it returns none when that cannot be done.
func (s *section) selector(name string, v cty.Value, expr hcl.Expression) []selector {
	fail := func(at hcl.Range, summary, format string, args ...any) {
		s.fail(name, summary, format, args...)
		s.l.diags[len(s.l.diags)-1].Subject = &at
	}
	if t := v.Type(); v.IsNull() || !t.IsObjectType() && !t.IsMapType() {
		fail(expr.Range(), "Wrong type",
			`%q must be made of objects such as { fleet = "user" }, not %s.`, name, typeName(v.Type()))
		return nil
	}
	ranges := map[string][2]hcl.Range{} // of a key and of its value, where they are written out
	if pairs, diags := hcl.ExprMap(expr); !diags.HasErrors() {
		for _, p := range pairs {
			key, diags := p.Key.Value(s.ctx)
			if !diags.HasErrors() && key.IsWhollyKnown() && !key.IsNull() && key.Type() == cty.String {
				ranges[key.AsString()] = [2]hcl.Range{p.Key.Range(), p.Value.Range()}
			}
		}
	}
	s.l.budget.charge(stepsOfBlock)
	sel := selector{at: expr.Range(), wanted: map[string]wanted{}}
	values := v.AsValueMap()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		at, written := ranges[key]
		if !written {
			at = [2]hcl.Range{expr.Range(), expr.Range()}
		}
		text, err := convert.Convert(values[key], cty.String)
		switch {
		case !slices.Contains(selectorKeys, key):
			fail(at[0], "Unknown key", "Cells are not chosen by %q.%s", shorten(key), hint(key, "keys", selectorKeys))
		case err != nil || text.IsNull():
			fail(at[1], "Wrong type", "%q must be a name, not %s.", key, typeName(values[key].Type()))
		default:
			sel.wanted[key] = wanted{text.AsString(), at[1]}
		}
	}
	if name == "exclude" && len(values) == 0 {
		fail(expr.Range(), "Excludes everything",
			"An object without keys matches every cell: name the cells to leave out.")
		return nil
	}
	return []selector{sel}
}
