package content

// zeroFilled is a file whose payload was never written.
func zeroFilled() Fault {
	return Fault{
		Name:    "zero_filled",
		Summary: "The payload is as long as it should be, and all zeros.",
		Defect:  "the loader takes what is left behind the last rule, here all of it, for padding",
		Effect:  "is loaded as content without a rule: the agent runs, and detects nothing",
		body: func(version, _ uint64, _ Params) ([]byte, error) {
			body, err := Encode(Update(version))
			if err != nil {
				return nil, err
			}
			clear(body[headerSize:])
			return body, nil
		},
	}
}
