package content_test

import (
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
)

// TestFieldsDeclared: the template declares as many fields as asked for, each rule has a criterion for each of them, and that of
// the new rule is on the field asked for. All others are wildcards behind those that sensors supply.
func TestFieldsDeclared(t *testing.T) {
	fault, err := content.FindFault("field_count")
	if err != nil {
		t.Fatal(err)
	}
	_, key := content.TestVendorKey()
	for _, c := range []struct {
		declared, field string
		fields, on      int
	}{
		{"", "", 21, 21}, {"", "21", 21, 21}, {"", "3", 21, 3}, {"23", "", 23, 23}, {"23", "22", 23, 22}, {"", "23", 23, 23}, {"5", "", 21, 21}, {"64", "64", 64, 64},
	} {
		p := content.Params{"criterion": "equals:x"}
		if c.declared != "" {
			p["declared"] = c.declared
		}
		if c.field != "" {
			p["field"] = c.field
		}
		file, err := fault.Update(11, 1, p, key)
		if err != nil {
			t.Fatal(err)
		}
		f, err := content.Decode(file)
		if err != nil {
			t.Errorf("%v: what was signed is not well formed: %v", p, err)
			continue
		}
		for _, in := range f.Instances {
			if in.TemplateID != content.ProcessTemplate {
				continue
			}
			if len(in.Criteria) != c.fields {
				t.Errorf("%v: instance %d has %d criteria, want %d", p, in.ID, len(in.Criteria), c.fields)
			}
			for i, criterion := range in.Criteria {
				asked := in.ID == content.RuleNew && i+1 == c.on
				if set := criterion.Op != content.Any; asked != set && (asked || i >= content.SensorFields || in.ID == content.RuleNew) {
					t.Errorf("%v: instance %d has %v on field %d", p, in.ID, criterion, i+1)
				}
			}
		}
	}
	for _, c := range []struct {
		p    content.Params
		want string
	}{
		{content.Params{"declared": "65"}, "parameter declared: \"65\", want a whole number from 0 to 64"},
		{content.Params{"field": "65"}, "parameter field: \"65\", want a whole number from 0 to 64"},
		{content.Params{"declared": "21", "field": "22"}, "a criterion on field 22, and the template declares 21; declare more, or choose another field"},
	} {
		if err := fault.Check(c.p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want an error with %q", c.p, err, c.want)
		}
	}
}
