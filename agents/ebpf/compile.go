package main

import (
	"fmt"
	"slices"

	"github.com/fleetfall/fleetfall/agents/content"
)

// The interpreter's bounds and codes: bpf/interpreter.h has the same.
const (
	maxSteps   = 4096 // that content may come to
	maxPattern = content.MaxValue + 2
	anyByte    = 256 // units of a pattern that are no byte
	anyRun     = 257

	stepTemplate = 0
	stepTest     = 1
	stepMatch    = 2

	theEnd = 1<<16 - 1 // the number of no step
)

// A step is what the interpreter does before it goes on to another step: struct step of bpf/interpreter.h, byte for byte.
type step struct {
	Rule            uint32 // stepMatch: the rule that has matched
	TemplateID      uint16 // stepTemplate: is the event of this template?
	Then, Otherwise uint16 // the number of the next step, after a yes and after a no
	Len             uint16 // of Pattern
	Kind            uint8
	Field           uint8 // stepTest: does this input match the pattern?
	Action          uint8 // stepMatch
	_               uint8
	Pattern         [maxPattern]uint16
}

// compile turns content into steps, of which the first is where to begin. Each step's next ones have higher numbers, so whatever
// the content says, it comes to an end. What the interpreter cannot hold is an error.
func compile(f content.File) ([]step, error) {
	// From the last step to the first, so that the steps that one leads to are there before it.
	var c compiler
	start := theEnd
	for _, t := range slices.Backward(f.Templates) {
		entry := theEnd
		for _, in := range slices.Backward(f.Instances) {
			if in.TemplateID != t.ID {
				continue
			}
			var err error
			if entry, err = c.instance(in, entry); err != nil {
				return nil, fmt.Errorf("rule %d: %w", in.ID, err)
			}
			if len(c.steps) > maxSteps {
				break
			}
		}
		start = c.add(step{Kind: stepTemplate, TemplateID: t.ID}, entry, start)
	}
	if len(c.steps) > maxSteps {
		return nil, fmt.Errorf("its rules come to more than %d steps", maxSteps)
	}
	if len(c.steps) == 0 { // a map cannot be empty
		c.add(step{Kind: stepTemplate}, theEnd, theEnd)
	}
	return c.inOrder(), nil
}

// A compiler collects steps, the last one first. Until they are in order they go by their places here.
type compiler struct{ steps []step }

// add returns the place of the step, from which the evaluation goes on at one of two others.
func (c *compiler) add(s step, then, otherwise int) int {
	s.Then, s.Otherwise = uint16(then), uint16(otherwise)
	c.steps = append(c.steps, s)
	return len(c.steps) - 1
}

// instance returns where the rule begins; next is where the rule after it does.
func (c *compiler) instance(in content.Instance, next int) (int, error) {
	if in.Action == content.Inspect {
		return 0, fmt.Errorf("%s is not supported: a BPF program cannot start another program", in.Action)
	}
	entry := c.add(step{Kind: stepMatch, Rule: in.ID, Action: uint8(in.Action)}, next, next)
	for field, criterion := range slices.Backward(in.Criteria) {
		if criterion.Op == content.Any {
			continue
		}
		var err error
		if entry, err = c.criterion(field, criterion, entry, next); err != nil {
			return 0, err
		}
	}
	return entry, nil
}

// criterion returns where the criterion begins, from which the evaluation goes on at then when it matches. A group is no
// step of its own: what is in it leads on to the next of the group, or out of it.
func (c *compiler) criterion(field int, criterion content.Criterion, then, otherwise int) (int, error) {
	if !criterion.IsGroup() {
		s := step{Kind: stepTest, Field: uint8(field)}
		units, err := pattern(criterion)
		s.Len = uint16(copy(s.Pattern[:], units))
		return c.add(s, then, otherwise), err
	}
	group, err := criterion.Group()
	if err != nil {
		return 0, err
	}
	entry := then
	if criterion.Op == content.AnyOfOp {
		entry = otherwise
	}
	for _, inner := range slices.Backward(group) {
		if len(c.steps) > maxSteps {
			break
		}
		if criterion.Op == content.AnyOfOp {
			entry, err = c.criterion(field, inner, then, entry)
		} else {
			entry, err = c.criterion(field, inner, entry, otherwise)
		}
		if err != nil {
			return 0, err
		}
	}
	return entry, nil
}

// inOrder numbers the steps from the first on.
func (c *compiler) inOrder() []step {
	number := func(place uint16) uint16 {
		if place == theEnd {
			return theEnd
		}
		return uint16(len(c.steps)-1) - place
	}
	for i, s := range c.steps {
		c.steps[i].Then, c.steps[i].Otherwise = number(s.Then), number(s.Otherwise)
	}
	slices.Reverse(c.steps)
	return c.steps
}

// pattern is a criterion that is no group as the interpreter compares it: bytes, and what stands for any.
func pattern(c content.Criterion) ([]uint16, error) {
	if len(c.Value) > content.MaxValue {
		return nil, fmt.Errorf("a value of %d bytes, more than %d", len(c.Value), content.MaxValue)
	}
	var literal []uint16
	for _, b := range []byte(c.Value) {
		literal = append(literal, uint16(b))
	}
	run := []uint16{anyRun}
	switch c.Op {
	case content.Any:
		return run, nil
	case content.Equals:
		return literal, nil
	case content.Prefix:
		return slices.Concat(literal, run), nil
	case content.Contains:
		return slices.Concat(run, literal, run), nil
	case content.Glob:
		for i, unit := range literal {
			switch unit {
			case '*':
				literal[i] = anyRun
			case '?':
				literal[i] = anyByte
			}
		}
		return literal, nil
	}
	return nil, fmt.Errorf("%s is not supported", c.Op)
}
