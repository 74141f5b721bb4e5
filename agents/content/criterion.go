package content

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// A Criterion is a condition on one field of an event. Its zero value matches anything.
type Criterion struct {
	Op    Op
	Value string // any bytes; empty for Any; of a group its criteria, see [AnyOf] and [Criterion.Group]
}

// An Op says how a criterion's value is compared with a field's.
type Op uint8

const (
	Any      Op = 0 // matches whatever the field holds, without looking at it
	Equals   Op = 1 // byte for byte
	Prefix   Op = 2
	Contains Op = 3
	Glob     Op = 4 // '*' matches any run of bytes, '?' any one byte; there are no escapes
	AnyOfOp  Op = 5 // a group of criteria on the same field, one of which matches
	AllOfOp  Op = 6 // a group of criteria on the same field, all of which match
)

// AnyOf is the group of which one criterion has to match, on the same field.
func AnyOf(group ...Criterion) Criterion { return Criterion{AnyOfOp, encodeGroup(group)} }

// AllOf is the group of which every criterion has to match, on the same field.
func AllOf(group ...Criterion) Criterion { return Criterion{AllOfOp, encodeGroup(group)} }

func encodeGroup(group []Criterion) string {
	var b []byte
	for _, c := range group {
		b = appendCriterion(b, c)
	}
	return string(b)
}

// IsGroup tells whether the criterion consists of others.
func (c Criterion) IsGroup() bool { return c.Op == AnyOfOp || c.Op == AllOfOp }

// Group returns the criteria of a group, those of groups in it undecoded. It is an error for its value not to hold whole
// criteria.
func (c Criterion) Group() ([]Criterion, error) {
	var group []Criterion
	for rest := c.Value; rest != ""; {
		const head = 3 // operator and length
		if len(rest) < head {
			return nil, errors.New("a group ends inside a criterion")
		}
		n := int(binary.LittleEndian.Uint16([]byte(rest[1:head])))
		if len(rest) < head+n {
			return nil, fmt.Errorf("a criterion of %d bytes reaches past its group's end", n)
		}
		group = append(group, Criterion{Op: Op(rest[0]), Value: rest[head : head+n]})
		rest = rest[head+n:]
	}
	return group, nil
}

func (o Op) String() string {
	switch o {
	case Any:
		return "any"
	case Equals:
		return "equals"
	case Prefix:
		return "prefix"
	case Contains:
		return "contains"
	case Glob:
		return "glob"
	case AnyOfOp:
		return "any_of"
	case AllOfOp:
		return "all_of"
	}
	return fmt.Sprintf("op %d", uint8(o))
}

// String is the criterion as [ParseCriterion] reads it.
func (c Criterion) String() string {
	if c.Op == Any && c.Value == "" {
		return "any"
	}
	return c.Op.String() + ":" + c.Value
}

// ParseCriterion reads a criterion that is no group: "any", or an operator and its value, as "equals:xyz", "prefix:xyz", "contains:xyz" or
// "glob:x*z". All that follows the first colon is the value, and there must be some of it.
func ParseCriterion(text string) (Criterion, error) {
	name, value, hasValue := strings.Cut(text, ":")
	if name == "any" {
		if hasValue {
			return Criterion{}, fmt.Errorf("criterion %q: any takes no value; write \"any\"", text)
		}
		return Criterion{}, nil
	}
	for op := Equals; op <= Glob; op++ {
		if name != op.String() {
			continue
		}
		if value == "" {
			return Criterion{}, fmt.Errorf("criterion %q: %s needs a value; write \"%s:xyz\"", text, op, op)
		}
		c := Criterion{Op: op, Value: value}
		if err := c.check(); err != nil {
			return Criterion{}, fmt.Errorf("criterion %q: %w", text, err)
		}
		return c, nil
	}
	return Criterion{}, fmt.Errorf("criterion %q: unknown operator %q; write \"any\", or equals, prefix, contains or glob "+
		"with a colon and a value, as in \"equals:xyz\"", text, name)
}

func (c Criterion) check() error { return c.checkAt(0) }

// checkAt is check for a criterion inside depth groups.
func (c Criterion) checkAt(depth int) error {
	switch {
	case c.Op > AllOfOp:
		return fmt.Errorf("unknown operator %d, want 0 (any) to 6 (all_of)", uint8(c.Op))
	case c.Op == Any && c.Value != "":
		return fmt.Errorf("any with a value of %d bytes, want none", len(c.Value))
	case !c.IsGroup() && len(c.Value) > MaxValue:
		return fmt.Errorf("a value of %d bytes, want at most %d", len(c.Value), MaxValue)
	case !c.IsGroup():
		return nil
	case c.Value == "":
		return errors.New("a group of nothing")
	case len(c.Value) > maxGroup:
		return fmt.Errorf("a group of %d bytes, want at most %d", len(c.Value), maxGroup)
	case depth == MaxDepth:
		return fmt.Errorf("groups are nested more than %d deep", MaxDepth)
	}
	group, err := c.Group()
	if err != nil {
		return err
	}
	for _, inner := range group {
		if err := inner.checkAt(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

// maxGroup is what the length of a value can say.
const maxGroup = 1<<16 - 1
