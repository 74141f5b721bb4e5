package content

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Fault is a way for an update to be wrong, and yet, but for one of them, be signed by the vendor. Each is one entry of
// [Faults] and one function.
type Fault struct {
	Name       string // in scenarios, e.g. "field_count"
	Summary    string // what the update holds, in a sentence
	Defect     string // what must be wrong in an agent for the update to do harm; empty if it does none
	Effect     string // what then comes of it; empty if nothing does
	Outage     string // the outage that it stands for; empty if there is none
	Parameters []Parameter

	unsigned bool // it has no signature, unlike all others

	// body makes the update's bytes up to the signature, from its arguments alone. Every parameter is set and has
	// passed its check.
	body func(version, seed uint64, p Params) ([]byte, error)
}

// A Parameter is a setting of a fault.
type Parameter struct {
	Name    string
	Summary string
	Default string // as text
	check   func(value string) error
}

// Params are the values of a fault's parameters as text, by name. One that is missing has its default.
type Params map[string]string

// number is the value of a parameter whose check is wholeNumber.
func (p Params) number(name string) int {
	n, _ := strconv.Atoi(p[name])
	return n
}

// wholeNumber checks that a parameter is one, within bounds.
func wholeNumber(least, most int) func(string) error {
	return func(value string) error {
		if n, err := strconv.Atoi(value); err != nil || n < least || n > most {
			return fmt.Errorf("%q, want a whole number from %d to %d", value, least, most)
		}
		return nil
	}
}

// Faults lists every fault, by name.
func Faults() []Fault {
	return []Fault{
		bitFlips(), deepNesting(), falseLength(), falsePositiveSystem(), falsePositiveUpdater(), fieldCount(), globBacktracking(),
		memoryExhaustion(), none(), replay(), selfWait(), truncated(), unknownVersion(), unsigned(), zeroFilled(),
	}
}

// FindFault returns the fault of this name; its error lists those there are.
func FindFault(name string) (Fault, error) {
	var names []string
	for _, f := range Faults() {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Fault{}, fmt.Errorf("unknown fault %q; known are %s", name, strings.Join(names, ", "))
}

// Check tells what is wrong with the parameters, if anything: with one of them, or with the update that they make.
func (f Fault) Check(p Params) error {
	_, err := f.content(1, 1, p)
	return err
}

// Update makes the faulty update, signed with key. It is a pure function: the same arguments give the same bytes. seed
// decides whatever the fault leaves to chance.
func (f Fault) Update(version, seed uint64, p Params, key ed25519.PrivateKey) ([]byte, error) {
	body, err := f.content(version, seed, p)
	if err != nil {
		return nil, err
	}
	file := Sign(body, key)
	if f.unsigned {
		return Unsigned(file)
	}
	return file, nil
}

// content is the update up to the signature.
func (f Fault) content(version, seed uint64, p Params) ([]byte, error) {
	complete, err := f.complete(p)
	if err != nil {
		return nil, err
	}
	body, err := f.body(version, seed, complete)
	if err != nil {
		return nil, fmt.Errorf("fault %s: %w", f.Name, err)
	}
	return body, nil
}

// complete returns the parameters with the defaults filled in and all checked.
func (f Fault) complete(p Params) (Params, error) {
	all := Params{}
	var names []string
	for _, parameter := range f.Parameters {
		names = append(names, parameter.Name)
		value, set := p[parameter.Name]
		if !set {
			value = parameter.Default
		}
		if err := parameter.check(value); err != nil {
			return nil, fmt.Errorf("fault %s, parameter %s: %w", f.Name, parameter.Name, err)
		}
		all[parameter.Name] = value
	}
	var unknown []string
	for name := range p {
		if !slices.Contains(names, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	switch {
	case len(unknown) == 0:
		return all, nil
	case len(names) == 0:
		return nil, fmt.Errorf("fault %s has no parameter %q; it takes none", f.Name, unknown[0])
	}
	return nil, fmt.Errorf("fault %s has no parameter %q; it takes %s", f.Name, unknown[0], strings.Join(names, ", "))
}

func none() Fault {
	return Fault{
		Name:    "none",
		Summary: "A harmless update: the baseline and one new rule.",
		body: func(version, _ uint64, _ Params) ([]byte, error) {
			return Encode(Update(version))
		},
	}
}
