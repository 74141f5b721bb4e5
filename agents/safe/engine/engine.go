// Package engine is the content interpreter in a memory-safe language: agents/interpreter told anew, with the same logic
// and the same things left out of it.
//
// What the vendor has signed the vendor has checked. So loading trusts the header's length of the payload, lets bytes
// follow the last instance, knows no limit of instances, of values' lengths or of nesting and does not look into groups;
// and evaluation walks the fields that a template declares, whatever the sensor has supplied, and has a '*' try every run.
// Each of these is a defect that README.md of agents/interpreter describes.
//
// What differs is what comes of them. A read behind the end of something is a panic here; it is recovered, and is an error
// of one file or of one event. Time is no different: what takes for ever there takes for ever here.
package engine

import (
	"fmt"

	"github.com/fleetfall/fleetfall/agents/content"
)

// MaxMatches is how many matches a verdict lists.
const MaxMatches = 8

// A Verdict is what the content says of one event.
type Verdict struct {
	Block   bool    // some matching instance says block
	Inspect bool    // some matching instance says inspect
	Matches []Match // the first of them, at most MaxMatches, in the order of the file
}

// A Match names an instance that matches.
type Match struct {
	ID     uint32
	Action content.Action
}

// Evaluate evaluates the instances of this template over the inputs, by field number. It is an error for an instance to
// panic: the verdict is then that of the instances before it, and those behind it were not looked at.
func Evaluate(f content.File, template uint16, inputs []string) (v Verdict, err error) {
	at := 0
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("evaluate instance %d: %v", f.Instances[at].ID, cause)
		}
	}()
	for at = range f.Instances {
		in := &f.Instances[at]
		if in.TemplateID != template || !instanceMatches(in, inputs) {
			continue
		}
		if len(v.Matches) < MaxMatches {
			v.Matches = append(v.Matches, Match{in.ID, in.Action})
		}
		v.Block = v.Block || in.Action == content.Block
		v.Inspect = v.Inspect || in.Action == content.Inspect
	}
	return v, nil
}

// instanceMatches tells whether every criterion matches the input of its field, in the order of the template's fields.
func instanceMatches(in *content.Instance, inputs []string) bool {
	for field, c := range in.Criteria {
		if !criterionMatches(c, inputs, field) {
			return false
		}
	}
	return true
}

// criterionMatches does not look at the field's input before an operator asks for it.
func criterionMatches(c content.Criterion, inputs []string, field int) bool {
	switch c.Op {
	case content.Any:
		return true
	case content.Equals:
		return inputs[field] == c.Value
	case content.Prefix:
		return hasPrefix(inputs[field], c.Value)
	case content.Contains:
		return contains(inputs[field], c.Value)
	case content.Glob:
		return glob(inputs[field], c.Value)
	case content.AnyOfOp, content.AllOfOp:
		return groupMatches(c, inputs, field)
	}
	return false
}

// groupMatches tells whether one of the group's criteria matches, or all of them do. It decodes them one by one, for the
// first that decides is the last that is read; and the value of one only for an operator that looks at it: a text that is
// taken for a group has operators that there are not and lengths that reach past its end, and C reads nothing there.
func groupMatches(group content.Criterion, inputs []string, field int) bool {
	all := group.Op == content.AllOfOp
	for rest := group.Value; rest != ""; {
		const head = 3 // operator and length
		size := head + (int(rest[1]) | int(rest[2])<<8)
		c := content.Criterion{Op: content.Op(rest[0])}
		if c.Op != content.Any && c.Op <= content.AllOfOp {
			c.Value = rest[head:size]
		}
		if criterionMatches(c, inputs, field) != all {
			return !all
		}
		rest = rest[min(size, len(rest)):]
	}
	return all
}

func hasPrefix(input, prefix string) bool {
	return len(input) >= len(prefix) && input[:len(prefix)] == prefix
}

// contains compares at every place, as agents/interpreter does, and not as fast as the standard library.
func contains(input, value string) bool {
	for at := 0; ; at++ {
		if hasPrefix(input[at:], value) {
			return true
		}
		if at >= len(input) {
			return false
		}
	}
}

// glob tells whether the pattern matches the input: as it is defined, a '*' tries every run from the shortest on.
func glob(input, pattern string) bool {
	for pattern != "" {
		if pattern[0] == '*' {
			for {
				if glob(input, pattern[1:]) {
					return true
				}
				if input == "" {
					return false
				}
				input = input[1:]
			}
		}
		if input == "" || pattern[0] != '?' && pattern[0] != input[0] {
			return false
		}
		input, pattern = input[1:], pattern[1:]
	}
	return input == ""
}
