package content

// deepNesting is a rule that is well-formed but for how deep it goes.
func deepNesting() Fault {
	const depth = "depth"
	return Fault{
		Name:    "deep_nesting",
		Summary: "A rule's criterion lies in groups within groups, far deeper than the format allows.",
		Defect:  "the interpreter calls itself for each group and counts on the vendor's validator for how deep they are",
		Effect:  "overflows the 16 KiB of a kernel's stack, and not the 8 MiB of a program's",
		Parameters: []Parameter{{
			Name: depth, Summary: "groups within groups", Default: "2000", check: wholeNumber(1, (maxGroup-maxInner)/3),
		}},
		body: func(version, _ uint64, p Params) ([]byte, error) {
			c := Criterion{Equals, "/no/such/program"}
			for range p.number(depth) {
				c = AnyOf(c)
			}
			f := Baseline(version)
			f.Instances = append(f.Instances, processRule(RuleNew, Detect, "new threat", "image_path", c))
			return appendFile(nil, f), nil // Encode would refuse it
		},
	}
}

const maxInner = 64 // bytes, more than what lies in the innermost group
