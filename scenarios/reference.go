package scenarios

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

// Reference writes the whole language: a line for each block and attribute, with an example and what it means, from the
// table that files are checked against.
func Reference(w io.Writer) error {
	for i := range language.blocks {
		if err := language.blocks[i].describe(w, ""); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	var dynamic []string
	for _, b := range language.blocks {
		if !b.fixed {
			dynamic = append(dynamic, b.name)
		}
	}
	calls := slices.Sorted(maps.Keys(functions()))
	_, err := fmt.Fprintf(w, `dynamic "TYPE" { … }  Makes a block of the type of each element; the types are %s.
  for_each = var.list         (needed) A list, set, map or object.
  labels   = [TYPE.value]     The blocks' label.
  iterator = element          What an element is called in labels and content, instead of TYPE: it has a key and a value.
  content { … }               (needed) The blocks' attributes and blocks.

Values are expressions of HCL: 3 * var.hosts, var.fast ? "1m" : "1h", [for x in var.list : x if x != "user"], "${var.name}-2".
Durations are text with units, ns us ms s m h d, such as "1h30m"; sizes are text with B, KiB, MiB, GiB or TiB.
Distributions are fixed(value), uniform(min, max), exponential(mean), lognormal(median, sigma) and weibull(scale, shape), the
first parameter and max a duration each, sigma and shape a number.
Functions are %s.
`, andList(dynamic), andList(calls))
	return err
}

// describe writes the block and what is in it, a table of lines.
func (t *blockType) describe(w io.Writer, indent string) error {
	fmt.Fprintf(w, "%s%s  %s%s\n", indent, blockExample(t), t.times(), t.what)
	lines := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, a := range t.attrs {
		if a.what == "" {
			continue
		}
		note := ""
		switch {
		case a.required:
			note = "(needed) "
		case a.fallback != "":
			note = "(default " + a.fallback + ") "
		}
		fmt.Fprintf(lines, "%s  %s\t%s%s\n", indent, a.example, note, a.what)
	}
	if err := lines.Flush(); err != nil {
		return err
	}
	for i := range t.blocks {
		if err := t.blocks[i].describe(w, indent+"  "); err != nil {
			return err
		}
	}
	return nil
}

// times says how many blocks of the type there can be, where that is not any number.
func (t *blockType) times() string {
	switch {
	case t.needed && t.unique:
		return "(exactly one) "
	case t.needed:
		return "(at least one) "
	case t.unique:
		return "(at most one) "
	}
	return ""
}
