package content

// truncated is a file that was cut off while it was built, before it was signed.
func truncated() Fault {
	const keep = "keep"
	return Fault{
		Name:    "truncated",
		Summary: "The payload ends too early; its length and the signature, made later, are as if it did not.",
		Defect:  "the loader goes by the length that the signed header states, and not by the file's",
		Effect:  "reads what lies behind the file; as a rule that is no content, and the update is refused",
		Outage:  "Malwarebytes, a corrupted file that the build did not notice, 15 April 2013",
		Parameters: []Parameter{{
			Name: keep, Summary: "how much of the payload is left, in percent", Default: "60", check: wholeNumber(0, 99),
		}},
		body: func(version, _ uint64, p Params) ([]byte, error) {
			body, err := Encode(Update(version))
			if err != nil {
				return nil, err
			}
			return body[:headerSize+(len(body)-headerSize)*p.number(keep)/100], nil
		},
	}
}
