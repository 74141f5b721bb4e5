package scenarios

import (
	"fmt"
	"math/big"
	"slices"
	"time"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// A section is a block while it is read. Each reader method returns an attribute's value, or the given default where
// the attribute is absent, null or wrong; what is wrong is reported once.
type section struct {
	l      *loader
	ctx    *hcl.EvalContext
	syntax *blockType // nil where only some attributes are read
	what   string     // e.g. "fleet"
	name   string     // the block's label
	def    hcl.Range
	label  hcl.Range // equal to def for a block without a label
	attrs  hcl.Attributes
	blocks hcl.Blocks
}

// open reads a block's syntax.
func (l *loader) open(t *blockType, block *hcl.Block) *section {
	content, _, diags := block.Body.PartialContent(t.schema(t.blockNames()...))
	l.append(diags)
	s := &section{l: l, ctx: l.ctx, syntax: t, what: t.name, def: block.DefRange, label: block.DefRange}
	if content != nil {
		s.attrs, s.blocks = content.Attributes, content.Blocks
	}
	if len(block.Labels) > 0 {
		s.name = block.Labels[0]
		if len(block.LabelRanges) > 0 {
			s.label = block.LabelRanges[0]
		}
	}
	return s
}

func (s *section) has(name string) bool { return s.attrs[name] != nil }

// at is the range of an attribute's value, or of the block where the attribute is absent.
func (s *section) at(name string) hcl.Range {
	if attr := s.attrs[name]; attr != nil {
		return attr.Expr.Range()
	}
	return s.def
}

// fail reports a mistake in an attribute's value, with the values of the variables in it.
func (s *section) fail(name, summary, format string, args ...any) {
	s.l.errorf(s.at(name), summary, format, args...)
	if attr := s.attrs[name]; attr != nil {
		d := s.l.diags[len(s.l.diags)-1]
		d.Expression, d.EvalContext = attr.Expr, s.ctx
	}
}

// value evaluates an attribute; ok is false when there is nothing to read: it is absent or null, or already reported.
func (s *section) value(name string) (v cty.Value, ok bool) {
	attr := s.attrs[name]
	if attr == nil {
		return cty.NilVal, false
	}
	v, diags := attr.Expr.Value(s.ctx)
	s.l.append(diags)
	if !diags.HasErrors() && v.IsNull() && s.syntax != nil && s.syntax.attr(name).required {
		s.fail(name, "Missing attribute", "%s block needs the attribute %q, and this is null; write for example: %s",
			capital(withArticle(s.what)), name, s.syntax.attr(name).example)
	}
	return v, !diags.HasErrors() && v.IsWhollyKnown() && !v.IsNull()
}

// given tells whether an attribute has a value: it is there, and is not null. One that cannot be told counts as given.
func (s *section) given(name string) bool {
	if !s.has(name) {
		return false
	}
	v, diags := s.attrs[name].Expr.Value(s.ctx)
	return diags.HasErrors() || !v.IsKnown() || !v.IsNull()
}

func (s *section) typed(name string, typ cty.Type, want string) (cty.Value, bool) {
	v, ok := s.value(name)
	if !ok {
		return v, false
	}
	converted, err := convert.Convert(v, typ)
	if err != nil || converted.IsNull() || !converted.IsWhollyKnown() {
		s.fail(name, "Wrong type", "%q must be %s, not %s.", name, want, typeName(v.Type()))
		return v, false
	}
	return converted, true
}

func (s *section) flag(name string, def bool) bool {
	if v, ok := s.typed(name, cty.Bool, "true or false"); ok {
		return v.True()
	}
	return def
}

// text reads one line of text for people.
func (s *section) text(name, def string) string {
	v, ok := s.typed(name, cty.String, "text")
	if !ok {
		return def
	}
	if problem := textProblem(v.AsString()); problem != "" {
		s.fail(name, "Unsuitable text", "%q %s.", name, problem)
		return def
	}
	return v.AsString()
}

func textProblem(text string) string {
	switch {
	case len(text) > maxText:
		return fmt.Sprintf("has %d bytes; %d are the most", len(text), maxText)
	case slices.ContainsFunc([]rune(text), func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }):
		return "holds a control character; it must be one line of plain text"
	}
	return ""
}

// choice reads one of some names.
func (s *section) choice(name, def, plural string, known []string) string {
	v, ok := s.typed(name, cty.String, "text")
	if !ok {
		return def
	}
	if !slices.Contains(known, v.AsString()) {
		s.fail(name, "Unknown "+name,
			"There is no %s %q.%s", name, shorten(v.AsString()), hint(v.AsString(), plural, known))
		return def
	}
	return v.AsString()
}

// ident reads a name that follows the rules of block names.
func (s *section) ident(name, def string) string {
	v, ok := s.typed(name, cty.String, "text")
	if !ok {
		return def
	}
	if !validName(v.AsString()) {
		s.fail(name, "Invalid name", "%q is no name: %s.", shorten(v.AsString()), nameRule)
		return def
	}
	return v.AsString()
}

// nameRule says what validName checks.
var nameRule = fmt.Sprintf("use 1 to %d lower-case letters, digits and dashes, no dash first", maxName)

// integer reads a whole number in [least, most].
func (s *section) integer(name string, least, most, def int64) int64 {
	v, ok := s.typed(name, cty.Number, "a number")
	if !ok {
		return def
	}
	f := v.AsBigFloat()
	n, accuracy := f.Int64()
	switch {
	case !f.IsInt():
		s.fail(name, "Invalid number", "%q must be a whole number, not %s.", name, f.Text('g', 10))
	case accuracy != big.Exact || n < least || n > most:
		s.fail(name, "Number out of range", "%q must be between %d and %d, not %s.", name, least, most, f.Text('g', 20))
	default:
		return n
	}
	return def
}

// duration reads a duration in [least, most].
func (s *section) duration(name string, least, most, def time.Duration) Duration {
	v, ok := s.value(name)
	if !ok {
		return Duration(def)
	}
	d, ok := s.parsedDuration(name, v)
	if !ok {
		return Duration(def)
	}
	if d < least || d > most {
		s.fail(name, "Duration out of range",
			"%q must be between %s and %s, not %s.", name, durationText(least), durationText(most), durationText(d))
		return Duration(def)
	}
	return Duration(d)
}

func (s *section) parsedDuration(name string, v cty.Value) (time.Duration, bool) {
	switch v.Type() {
	case cty.String:
		d, err := parseDuration(v.AsString())
		if err != nil {
			s.fail(name, "Invalid duration", "%q: %v.", name, err)
		}
		return d, err == nil
	case cty.Number:
		text := v.AsBigFloat().Text('g', 10)
		s.fail(name, "Duration without a unit",
			`%q is %s of what? Write it as text with a unit, such as "%ss" or "%sm".`, name, text, text, text)
	default:
		s.fail(name, "Wrong type", `%q must be a duration such as "30s", not %s.`, name, typeName(v.Type()))
	}
	return 0, false
}

// size reads a whole number of MiB in [least, most].
func (s *section) size(name string, least, most, def Size) Size {
	v, ok := s.value(name)
	switch {
	case !ok:
		return def
	case v.Type() == cty.Number:
		text := v.AsBigFloat().Text('g', 10)
		s.fail(name, "Size without a unit",
			`%q is %s of what? Write it as text with a unit, such as "%sMiB".`, name, text, text)
		return def
	case v.Type() != cty.String:
		s.fail(name, "Wrong type", `%q must be a size such as "96MiB", not %s.`, name, typeName(v.Type()))
		return def
	}
	n, err := parseSize(v.AsString())
	switch {
	case err != nil:
		s.fail(name, "Invalid size", "%q: %v.", name, err)
	case n < least || n > most:
		s.fail(name, "Size out of range",
			"%q must be between %s and %s, not %s.", name, sizeText(least), sizeText(most), sizeText(n))
	case n%(1<<20) != 0:
		s.fail(name, "Invalid size",
			"%q must be a whole number of MiB, not %s: memory is given to a VM in MiB.", name, sizeText(n))
	default:
		return n
	}
	return def
}

func (s *section) distribution(name string) Distribution {
	v, ok := s.value(name)
	if !ok {
		return Distribution{Kind: fixed}
	}
	d, err := toDistribution(v)
	if err != nil {
		s.fail(name, "Invalid distribution", "%q: %v.", name, err)
		return Distribution{Kind: fixed}
	}
	return d
}

// shorten bounds text that a message quotes.
func shorten(text string) string {
	if r := []rune(text); len(r) > 80 {
		return string(r[:79]) + "…"
	}
	return text
}
