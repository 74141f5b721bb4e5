package content

import "encoding/binary"

// unknownVersion is content for a newer sensor.
func unknownVersion() Fault {
	return Fault{
		Name:    "unknown_version",
		Summary: "A file of the format's next version, which this sensor does not know.",
		Defect:  "an agent that reads it all the same",
		Effect:  "is refused by an agent that looks at the format's version; it has replaced the last good content on the disk by then",
		body: func(version, _ uint64, _ Params) ([]byte, error) {
			body, err := Encode(Update(version))
			if err != nil {
				return nil, err
			}
			binary.LittleEndian.PutUint16(body[4:], format+1)
			return body, nil
		},
	}
}

// unsigned is content that nobody has signed.
func unsigned() Fault {
	return Fault{
		Name:     "unsigned",
		Summary:  "A harmless update with zeros in the place of its signature.",
		Defect:   "an agent that does not verify",
		Effect:   "is refused; it has replaced the last good content on the disk by then",
		unsigned: true,
		body: func(version, _ uint64, _ Params) ([]byte, error) {
			return Encode(Update(version))
		},
	}
}

// replay is old content, as it was signed then.
func replay() Fault {
	const old = "version"
	return Fault{
		Name:    "replay",
		Summary: "Content of an older version, which knows of one threat alone.",
		Defect:  "updater and agent take any version but the one they have for a newer one",
		Effect:  "is loaded in the place of the newer: what has been learnt since is no longer detected",
		Parameters: []Parameter{{
			Name: old, Summary: "the old version's number", Default: "5", check: wholeNumber(1, 9),
		}},
		body: func(_, _ uint64, p Params) ([]byte, error) {
			return Encode(First(uint64(p.number(old))))
		},
	}
}
