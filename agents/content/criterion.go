package content

import (
	"fmt"
	"strings"
)

// A Criterion is a condition on one field of an event. Its zero value matches anything.
type Criterion struct {
	Op    Op
	Value string // any bytes; empty for Any
}

// An Op says how a criterion's value is compared with a field's.
type Op uint8

const (
	Any      Op = 0 // matches whatever the field holds, without looking at it
	Equals   Op = 1 // byte for byte
	Prefix   Op = 2
	Contains Op = 3
	Glob     Op = 4 // '*' matches any run of bytes, '?' any one byte; there are no escapes
)

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

// ParseCriterion reads "any", or an operator and its value, as "equals:xyz", "prefix:xyz", "contains:xyz" or
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

func (c Criterion) check() error {
	switch {
	case c.Op > Glob:
		return fmt.Errorf("unknown operator %d, want 0 (any) to 4 (glob)", uint8(c.Op))
	case c.Op == Any && c.Value != "":
		return fmt.Errorf("any with a value of %d bytes, want none", len(c.Value))
	case len(c.Value) > MaxValue:
		return fmt.Errorf("a value of %d bytes, want at most %d", len(c.Value), MaxValue)
	}
	return nil
}
