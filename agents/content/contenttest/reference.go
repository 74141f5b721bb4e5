// Package contenttest says what content means, for testing anything that evaluates it: a table of cases, a generator
// of random ones, and a reference evaluator that is as plain as can be.
package contenttest

import (
	"strings"

	"github.com/fleetfall/fleetfall/agents/content"
)

// A Verdict is what an agent makes of one event.
type Verdict struct {
	Block   bool    // some matching instance says block
	Inspect bool    // some matching instance says inspect
	Matches []Match // every instance that matches, in the order of the file
}

// A Match names an instance that matches.
type Match struct {
	ID     uint32
	Action content.Action
}

// Evaluate is the meaning of f for an event of this template with these inputs, by field number. A criterion on a field without an input
// does not match unless it is a wildcard: the rule that agents with the field-count defect break.
func Evaluate(f content.File, template uint16, inputs []string) Verdict {
	var v Verdict
	for _, in := range f.Instances {
		if in.TemplateID != template || !instanceMatches(in, inputs) {
			continue
		}
		v.Matches = append(v.Matches, Match{in.ID, in.Action})
		v.Block = v.Block || in.Action == content.Block
		v.Inspect = v.Inspect || in.Action == content.Inspect
	}
	return v
}

func instanceMatches(in content.Instance, inputs []string) bool {
	for i, c := range in.Criteria {
		if c.Op == content.Any {
			continue
		}
		if i >= len(inputs) || !matches(c, inputs[i]) {
			return false
		}
	}
	return true
}

func matches(c content.Criterion, input string) bool {
	switch c.Op {
	case content.Equals:
		return input == c.Value
	case content.Prefix:
		return strings.HasPrefix(input, c.Value)
	case content.Contains:
		return strings.Contains(input, c.Value)
	case content.Glob:
		return globMatches(c.Value, input)
	case content.AnyOfOp, content.AllOfOp:
		group, err := c.Group()
		if err != nil {
			return false
		}
		matching := 0
		for _, inner := range group {
			if matches(inner, input) {
				matching++
			}
		}
		return matching == len(group) || matching > 0 && c.Op == content.AnyOfOp
	}
	return c.Op == content.Any
}

// globMatches follows the definition, one row of the table "do these first bytes of the pattern match these first bytes
// of the input" at a time. It shares nothing with the agents' backtracking matchers.
func globMatches(pattern, input string) bool {
	row := make([]bool, len(input)+1)
	row[0] = true
	for _, p := range []byte(pattern) {
		next := make([]bool, len(input)+1)
		for n := range next {
			switch {
			case p == '*':
				next[n] = row[n] || n > 0 && next[n-1]
			case n > 0:
				next[n] = row[n-1] && (p == '?' || p == input[n-1])
			}
		}
		row = next
	}
	return row[len(input)]
}
