package content

import "fmt"

// memoryExhaustion is a generator that emitted a rule for each of its samples.
func memoryExhaustion() Fault {
	const rules = "rules"
	return Fault{
		Name:    "memory_exhaustion",
		Summary: "Tens of thousands of small rules, more than the format allows, in a file that is not too long.",
		Defect:  "the loader decodes all rules into a table of a KiB each, and counts on the vendor's validator for how many there are",
		Effect:  "takes a KiB of memory for each rule, which a small machine does not have",
		Parameters: []Parameter{{
			Name: rules, Summary: "how many", Default: "60000", check: wholeNumber(1, 60000),
		}},
		body: func(version, _ uint64, p Params) ([]byte, error) {
			const sampleTemplate = 300
			f := Baseline(version)
			f.Templates = append(f.Templates, Template{ID: sampleTemplate, Name: "sample", Fields: []string{"name"}})
			for i := range p.number(rules) {
				f.Instances = append(f.Instances, Instance{
					ID: RuleNew + uint32(i), TemplateID: sampleTemplate, Name: "s", Criteria: []Criterion{{Equals, fmt.Sprintf("%03x", i&0xfff)}},
				})
			}
			return appendFile(nil, f), nil // Encode would refuse it
		},
	}
}
