package content

import (
	"bytes"
	"encoding/binary"
	"math"
)

// falseLength is a file whose lengths are not those of what they stand before.
func falseLength() Fault {
	return Fault{
		Name:    "false_length",
		Summary: "A rule's value says that it has 65,535 bytes, and the header that the payload has 1,048,576; there are not as many.",
		Defect:  "the loader goes by the length that the signed header states, and looks for wildcards through the whole of a value",
		Effect:  "runs over the end of the file's memory while it loads: a crash, at each start anew",
		body: func(version, _ uint64, _ Params) ([]byte, error) {
			f := Baseline(version)
			value := "new-threat"
			f.Instances = append(f.Instances, processRule(RuleNew, Detect, "new threat", "image_name", Criterion{Glob, value}))
			body, err := Encode(f)
			if err != nil {
				return nil, err
			}
			at := bytes.LastIndex(body, []byte(value))
			binary.LittleEndian.PutUint16(body[at-2:], math.MaxUint16)
			binary.LittleEndian.PutUint32(body[headerSize-4:], MaxFile)
			return body, nil
		},
	}
}
