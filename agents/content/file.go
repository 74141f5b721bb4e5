package content

import "fmt"

// The limits of the format. FF_MAX_* in agents/interpreter/interpreter.h are the same numbers.
const (
	MaxFile      = 1 << 20 // bytes of a file, its signature included
	MaxTemplates = 16
	MaxFields    = 64 // a template may declare
	MaxInstances = 1024
	MaxName      = 64  // bytes of a template's, field's or instance's name
	MaxValue     = 256 // bytes of a criterion's value, unless it is a group
	MaxDepth     = 8   // groups within groups
)

// A File is what a channel file says, its signature apart.
type File struct {
	Version   uint64
	Templates []Template
	Instances []Instance
}

// A Template declares the fields that instances of it match on.
type Template struct {
	ID     uint16
	Name   string
	Fields []string // their names, in order
}

// An Instance is one rule: an action for the events that all of its criteria match.
type Instance struct {
	ID         uint32
	TemplateID uint16
	Action     Action
	Name       string
	Criteria   []Criterion // one for each of the template's fields, in their order
}

// An Action is what the agent does about an event that an instance matches.
type Action uint8

const (
	Detect Action = 0 // report it
	Block  Action = 1 // report it and refuse it
	// Inspect: report it, and have a program of the agent's look at the image, whose verdict decides. Of executions alone; a
	// sensor that cannot wait lets the execution go on meanwhile.
	Inspect Action = 2
)

func (a Action) String() string {
	switch a {
	case Detect:
		return "detect"
	case Block:
		return "block"
	case Inspect:
		return "inspect"
	}
	return fmt.Sprintf("action %d", uint8(a))
}

// A checker holds one file's content against the format's rules, piece by piece in the order of the file; Encode and
// Decode share it.
type checker struct {
	fieldCounts map[uint16]int // of the templates seen, by id
	instances   map[uint32]bool
}

func newChecker() *checker {
	return &checker{fieldCounts: map[uint16]int{}, instances: map[uint32]bool{}}
}

func (c *checker) template(t Template) error {
	if _, seen := c.fieldCounts[t.ID]; seen {
		return fmt.Errorf("template %d is there already; give each template its own id", t.ID)
	}
	if err := checkName(t.Name); err != nil {
		return fmt.Errorf("template %d: %w", t.ID, err)
	}
	if err := checkFieldCount(t.ID, len(t.Fields)); err != nil {
		return err
	}
	for i, name := range t.Fields {
		if err := checkName(name); err != nil {
			return fmt.Errorf("template %d, field %d: %w", t.ID, i, err)
		}
	}
	c.fieldCounts[t.ID] = len(t.Fields)
	return nil
}

func (c *checker) instance(in Instance) error {
	if c.instances[in.ID] {
		return fmt.Errorf("instance %d is there already; give each instance its own id", in.ID)
	}
	if in.Action > Inspect {
		return fmt.Errorf("instance %d: unknown action %d, want 0 (detect) to 2 (inspect)", in.ID, uint8(in.Action))
	}
	if err := checkName(in.Name); err != nil {
		return fmt.Errorf("instance %d: %w", in.ID, err)
	}
	if err := c.criteriaCount(in.ID, in.TemplateID, len(in.Criteria)); err != nil {
		return err
	}
	for i, criterion := range in.Criteria {
		if err := criterion.check(); err != nil {
			return fmt.Errorf("instance %d, criterion %d: %w", in.ID, i, err)
		}
	}
	c.instances[in.ID] = true
	return nil
}

func (c *checker) criteriaCount(id uint32, templateID uint16, n int) error {
	fields, known := c.fieldCounts[templateID]
	if !known {
		return fmt.Errorf("instance %d is of template %d, which the file does not hold", id, templateID)
	}
	if n != fields {
		return fmt.Errorf("instance %d has %d criteria, its template %d declares %d fields", id, n, templateID, fields)
	}
	return nil
}

func checkFieldCount(templateID uint16, n int) error {
	if n < 1 || n > MaxFields {
		return fmt.Errorf("template %d declares %d fields, want 1 to %d", templateID, n, MaxFields)
	}
	return nil
}

func checkName(name string) error {
	if len(name) < 1 || len(name) > MaxName {
		return fmt.Errorf("a name of %d bytes, want 1 to %d", len(name), MaxName)
	}
	return nil
}
