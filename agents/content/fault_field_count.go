package content

import "fmt"

// fieldCount is channel file 291: the template type declares 21 fields, the sensor supplies 20, and the update holds the
// first rule that looks at the 21st. With other numbers it is a mistake of the same kind, whose outcome can be predicted
// from what lies behind the inputs of each agent's sensor: agents/interpreter/README.md.
func fieldCount() Fault {
	const criterion, declared, field = "criterion", "declared", "field"
	return Fault{
		Name:    "field_count",
		Summary: "One new rule matches on the 21st field of the process template, of which sensors supply 20.",
		Defect:  "the interpreter walks the fields that a template declares and not those that were supplied",
		Effect:  "takes what lies behind the inputs for a pointer, and follows it: a crash at the next event, and at each start anew",
		Outage:  "CrowdStrike Falcon for Windows, Channel File 291, 19 July 2024",
		Parameters: []Parameter{{
			Name:    criterion,
			Summary: "the criterion on that field; with \"any\" the update is harmless, as those before it were",
			Default: `equals:\\.\pipe\fleetfall`,
			check: func(value string) error {
				_, err := ParseCriterion(value)
				return err
			},
		}, {
			Name: declared, Summary: "how many fields the template declares, 21 at least; 0 for no more than are needed", Default: "0",
			check: wholeNumber(0, MaxFields),
		}, {
			Name: field, Summary: "which of them the criterion is on, from 1; 0 is the last", Default: "0", check: wholeNumber(0, MaxFields),
		}},
		body: func(version, _ uint64, p Params) ([]byte, error) {
			c, err := ParseCriterion(p[criterion])
			if err != nil {
				return nil, err
			}
			fields, on := max(p.number(declared), len(Fields())), p.number(field)
			switch {
			case on == 0:
				on = fields
			case p.number(declared) == 0:
				fields = max(fields, on)
			case on > fields:
				return nil, fmt.Errorf("a criterion on field %d, and the template declares %d; declare more, or choose another field", on, fields)
			}
			f := Baseline(version)
			f.Instances = append(f.Instances, processRule(RuleNew, Detect, "named pipe abuse", "", Criterion{}))
			f.declare(fields)
			f.Instances[len(f.Instances)-1].Criteria[on-1] = c
			return Encode(f)
		},
	}
}

// declare has the process template declare as many fields, and each of its instances have a wildcard for those that it did
// not have.
func (f *File) declare(fields int) {
	for i := range f.Templates {
		t := &f.Templates[i]
		for n := len(t.Fields); t.ID == ProcessTemplate && n < fields; n++ {
			t.Fields = append(t.Fields, fmt.Sprintf("field_%d", n+1))
		}
	}
	for i := range f.Instances {
		in := &f.Instances[i]
		for in.TemplateID == ProcessTemplate && len(in.Criteria) < fields {
			in.Criteria = append(in.Criteria, Criterion{})
		}
	}
}
