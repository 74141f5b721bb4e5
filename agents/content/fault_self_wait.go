package content

// selfWait is a rule by which an agent that waits for its inspector waits for itself.
func selfWait() Fault {
	const program = "program"
	return Fault{
		Name:    "self_wait",
		Summary: "The first rule that has a program inspected before it may run.",
		Defect:  "the listener that answers for each execution waits for the inspector, whose own execution waits for the listener",
		Effect:  "every execution on the machine waits, for ever or for the sensor's deadline",
		Parameters: []Parameter{{
			Name: program, Summary: "name of the file of the program to be inspected", Default: "work",
			check: func(value string) error {
				_, err := ParseCriterion("equals:" + value)
				return err
			},
		}},
		body: func(version, _ uint64, p Params) ([]byte, error) {
			f := Baseline(version)
			f.Instances = append(f.Instances, processRule(RuleNew, Inspect, "doubtful program", "image_name", Criterion{Equals, p[program]}))
			return Encode(f)
		},
	}
}
