package content

// fieldCount is channel file 291: the template type declares 21 fields, the sensor supplies 20, and the update holds the
// first rule that looks at the 21st.
func fieldCount() Fault {
	const criterion = "criterion"
	return Fault{
		Name:    "field_count",
		Summary: "One new rule matches on the 21st field of the process template, of which sensors supply 20.",
		Defect:  "the interpreter walks the fields that a template declares and not those that were supplied",
		Effect:  "takes what lies behind the inputs for a pointer, and follows it: a crash at the next event, and at each start anew",
		Outage:  "CrowdStrike Falcon for Windows, Channel File 291, 19 July 2024",
		Parameters: []Parameter{{
			Name:    criterion,
			Summary: "the criterion on the 21st field; with \"any\" the update is harmless, as those before it were",
			Default: `equals:\\.\pipe\fleetfall`,
			check: func(value string) error {
				_, err := ParseCriterion(value)
				return err
			},
		}},
		body: func(version, _ uint64, p Params) ([]byte, error) {
			c, err := ParseCriterion(p[criterion])
			if err != nil {
				return nil, err
			}
			f := Baseline(version)
			f.Instances = append(f.Instances, processRule(RuleNew, Detect, "named pipe abuse", "ipc_endpoint", c))
			return Encode(f)
		},
	}
}
