package scenarios

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

const environPrefix = "FLEETFALL_VAR_"

// A variable is one declared variable.
type variable struct {
	name        string
	def         hcl.Range
	kind        string   // "duration", "size" or "distribution": text, or a distribution, that is checked as one; or ""
	typ         cty.Type // what its value is converted to
	fallback    *hcl.Attribute
	validations hcl.Blocks
}

// evaluate resolves variables and locals and fills the evaluation context with them.
func (l *loader) evaluate(body *hclsyntax.Body) {
	content, _, diags := body.PartialContent(language.schema("variable", "locals"))
	l.append(diags)
	var declared []*variable
	for _, block := range content.Blocks {
		if block.Type == "variable" {
			declared = append(declared, l.declare(block)...)
		}
	}
	local := l.declareLocals(content.Blocks.OfType("locals"))
	l.checkReferences(body, scope{})

	given := l.given()
	values := map[string]cty.Value{}
	for _, v := range declared {
		values[v.name] = l.variableValue(v, given[v.name])
	}
	for _, name := range l.undeclared["var"] {
		values[name] = unknown
	}
	l.ctx.Variables["var"] = cty.ObjectVal(values)
	for _, v := range declared {
		l.validate(v)
		if values[v.name].IsWhollyKnown() {
			l.settings = append(l.settings, Setting{v.name, valueText(values[v.name])})
		}
	}
	slices.SortFunc(l.settings, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	l.evaluateLocals(local)
}

// declare reads a variable block; it returns at most one variable.
func (l *loader) declare(block *hcl.Block) []*variable {
	v := &variable{name: block.Labels[0], def: block.DefRange, typ: cty.DynamicPseudoType}
	content, _, diags := block.Body.PartialContent(language.block("variable").schema("validation"))
	l.append(diags)
	v.fallback, v.validations = content.Attributes["default"], content.Blocks
	switch first, again := l.variables[v.name]; {
	case !hclsyntax.ValidIdentifier(v.name):
		l.errorf(block.LabelRanges[0], "Invalid variable name",
			"%q cannot be written as var.NAME: use letters, digits and underscores, a letter first.", v.name)
		return nil
	case again:
		l.errorf(block.DefRange, "Duplicate variable",
			"The variable %q is already declared at %s; rename or remove one.", v.name, first)
		return nil
	}
	l.variables[v.name] = block.DefRange
	if attr := content.Attributes["type"]; attr != nil {
		switch keyword := hcl.ExprAsKeyword(attr.Expr); keyword {
		case "duration", "size":
			v.kind, v.typ = keyword, cty.String
		case "distribution":
			v.kind = keyword
		default:
			typ, diags := typeexpr.TypeConstraint(attr.Expr)
			if diags.HasErrors() {
				l.errorf(attr.Expr.Range(), "Unknown type",
					"This is no type.%s Besides there are list(…), set(…), map(…) and object({…}).",
					hint(keyword, "types", []string{"any", "bool", "distribution", "duration", "number", "size", "string"}))
			} else {
				v.typ = typ
			}
		}
	}
	if attr := content.Attributes["description"]; attr != nil {
		(&section{l: l, ctx: l.ctx, what: block.Type, attrs: content.Attributes, def: block.DefRange}).text("description", "")
	}
	return []*variable{v}
}

// A source is a value given to a variable from outside of the scenario.
type source struct {
	origin string         // as ranges call it
	text   string         // of the command line or the environment
	attr   *hcl.Attribute // of a file
}

// given collects the values from outside, the winning one of each variable.
func (l *loader) given() map[string]source {
	given := map[string]source{}
	known := slices.Sorted(maps.Keys(l.variables))
	for _, entry := range l.opts.Environ {
		name, text, _ := strings.Cut(entry, "=")
		name, ours := strings.CutPrefix(name, environPrefix)
		if !ours {
			continue
		}
		s := source{origin: "environment " + environPrefix + name, text: text}
		if _, declared := l.variables[name]; declared {
			given[name] = s
		} else if near := nearest(name, known); near != "" {
			// An environment outlives one scenario, so what is set for another is no mistake; a misspelt one may be.
			l.show(s.origin, text)
			l.warnf(s.start(), "Unused environment variable", "The scenario has no variable %q. Did you mean %s%s?", name, environPrefix, near)
		}
	}
	for _, path := range l.opts.VarFiles {
		src, err := readBounded(path)
		if err != nil {
			l.errorf(source{origin: path}.start(), "Variable file not readable", "%s", sentence(err))
			continue
		}
		body := l.parse(path, src)
		if body == nil {
			continue
		}
		attrs, diags := body.JustAttributes()
		l.append(diags)
		for _, name := range slices.Sorted(maps.Keys(attrs)) {
			if _, declared := l.variables[name]; !declared {
				l.errorf(attrs[name].NameRange, "Undeclared variable",
					"The scenario has no variable %q.%s", name, hint(name, "variables", known))
				continue
			}
			given[name] = source{origin: path, attr: attrs[name]}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.opts.Vars)) {
		s := source{origin: "--var " + name, text: l.opts.Vars[name]}
		if _, declared := l.variables[name]; !declared {
			l.show(s.origin, s.text)
			l.errorf(s.start(), "Undeclared variable",
				"The scenario has no variable %q.%s", name, hint(name, "variables", known))
			continue
		}
		given[name] = s
	}
	return given
}

func (s source) start() hcl.Range {
	end := hcl.Pos{Line: 1, Column: 1 + len(s.text), Byte: len(s.text)}
	return hcl.Range{Filename: s.origin, Start: hcl.InitialPos, End: end}
}

// variableValue is v's value, or unknown when there is none; what is wrong with it is then reported.
func (l *loader) variableValue(v *variable, from source) cty.Value {
	constants := &hcl.EvalContext{Functions: l.ctx.Functions}
	var fallback cty.Value
	if v.fallback != nil {
		value, diags := v.fallback.Expr.Value(constants)
		l.append(diags)
		fallback = unknown
		if !diags.HasErrors() {
			fallback = l.convert(v, value, v.fallback.Expr.Range())
		}
	}
	switch {
	case from.attr != nil:
		value, diags := from.attr.Expr.Value(constants)
		l.append(diags)
		if diags.HasErrors() {
			return unknown
		}
		return l.convert(v, value, from.attr.Expr.Range())
	case from.origin != "":
		return l.textValue(v, from, fallback, constants)
	case v.fallback == nil:
		l.errorf(v.def, "Variable without a value",
			"Give %q a default, or a value with --var %s=…, in a --var-file or as %s%s in the environment.",
			v.name, v.name, environPrefix, v.name)
		return unknown
	}
	return fallback
}

// textValue reads a value of the command line or the environment: as plain text where the variable's type, or failing
// that its default's, is a simple one, and otherwise as an expression.
func (l *loader) textValue(v *variable, from source, fallback cty.Value, constants *hcl.EvalContext) cty.Value {
	if n := len(from.text); n > maxString {
		l.show(from.origin, from.text)
		from.text = shorten(from.text)
		l.errorf(from.start(), "Value too long", "A value may have %d bytes; this one has %d.", maxString, n)
		return unknown
	}
	if !l.keep(from.origin, []byte(from.text)) {
		return unknown
	}
	typ := v.typ
	if typ == cty.DynamicPseudoType && v.kind == "" && fallback != cty.NilVal {
		typ = fallback.Type()
	}
	if _, err := parseDuration(from.text); typ.IsPrimitiveType() || v.kind == "distribution" && err == nil {
		return l.convert(v, cty.StringVal(from.text), from.start())
	}
	if !l.checkTokens(from.origin, []byte(from.text)) {
		return unknown
	}
	expr, diags := hclsyntax.ParseExpression([]byte(from.text), from.origin, hcl.InitialPos)
	l.append(diags)
	if diags.HasErrors() {
		return unknown
	}
	if !l.counts(l.budget.count(&expr, 0)) {
		return unknown
	}
	value, diags := expr.Value(constants)
	l.append(diags)
	if diags.HasErrors() {
		return unknown
	}
	return l.convert(v, value, from.start())
}

// convert brings a value to v's type and checks it.
func (l *loader) convert(v *variable, value cty.Value, at hcl.Range) cty.Value {
	if value.IsNull() {
		return cty.NullVal(v.typ)
	}
	converted, err := convert.Convert(value, v.typ)
	if err == nil && !converted.IsWhollyKnown() {
		return unknown
	}
	if err == nil {
		err = checkMagnitude(converted)
	}
	if err == nil {
		switch v.kind {
		case "duration":
			_, err = parseDuration(converted.AsString())
		case "size":
			_, err = parseSize(converted.AsString())
		case "distribution":
			var d Distribution
			if d, err = toDistribution(converted); err == nil {
				converted = distributionValue(d)
			}
		}
	}
	if err != nil {
		l.errorf(at, "Invalid value for a variable", "The variable %q, declared at %s: %v.", v.name, v.def, err)
		return unknown
	}
	return converted
}

func (l *loader) validate(v *variable) {
	for _, block := range v.validations {
		content, _, diags := block.Body.PartialContent(language.block("variable").block("validation").schema())
		l.append(diags)
		s := &section{l: l, ctx: l.ctx, what: "validation", attrs: content.Attributes, def: block.DefRange}
		message := s.text("error_message", "")
		if s.has("condition") && !s.flag("condition", true) {
			s.fail("condition", "Invalid value for a variable", "%s", message)
		}
	}
}

func (l *loader) declareLocals(blocks hcl.Blocks) map[string]*hcl.Attribute {
	local := map[string]*hcl.Attribute{}
	for _, block := range blocks {
		attrs, diags := block.Body.JustAttributes()
		l.append(diags)
		for _, name := range slices.Sorted(maps.Keys(attrs)) {
			if first, again := l.locals[name]; again {
				l.errorf(attrs[name].NameRange, "Duplicate local",
					"The local %q is already set at %s; rename or remove one.", name, first)
				continue
			}
			l.locals[name], local[name] = attrs[name].NameRange, attrs[name]
		}
	}
	return local
}

// evaluateLocals evaluates each local after those that it refers to.
func (l *loader) evaluateLocals(local map[string]*hcl.Attribute) {
	values := map[string]cty.Value{}
	for _, name := range l.undeclared["local"] {
		values[name] = unknown
	}
	var path []string       // from the local that is asked for to the one being evaluated
	on := map[string]bool{} // the same
	var visit func(string)
	visit = func(name string) {
		attr := local[name]
		if _, done := values[name]; done || attr == nil {
			return
		}
		if on[name] {
			l.errorf(attr.Range, "Circular locals",
				"A local cannot depend on itself: %s.", strings.Join(append(path[slices.Index(path, name):], name), " → "))
			values[name] = unknown
			return
		}
		path, on[name] = append(path, name), true
		needed := map[string]cty.Value{}
		for _, t := range attr.Expr.Variables() {
			if member, ok := memberOf(t); ok && t.RootName() == "local" {
				visit(member)
				if v, known := values[member]; known {
					needed[member] = v
				}
			}
		}
		path, on[name] = path[:len(path)-1], false
		if _, circular := values[name]; !circular {
			values[name] = l.localValue(name, attr, needed)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(local)) {
		visit(name)
	}
	l.ctx.Variables["local"] = cty.ObjectVal(values)
}

// localValue evaluates a local where those locals that it needs, and no others, are known.
func (l *loader) localValue(name string, attr *hcl.Attribute, needed map[string]cty.Value) cty.Value {
	ctx := l.ctx.NewChild()
	ctx.Variables = map[string]cty.Value{"local": cty.ObjectVal(needed)}
	value, diags := attr.Expr.Value(ctx)
	l.append(diags)
	if err := checkMagnitude(value); err != nil && !diags.HasErrors() {
		l.errorf(attr.Expr.Range(), "Value too large", "The local %q: %v.", name, err)
		return unknown
	}
	return value
}

// memberOf is NAME of var.NAME or var["NAME"].
func memberOf(t hcl.Traversal) (string, bool) {
	if len(t) < 2 {
		return "", false
	}
	switch step := t[1].(type) {
	case hcl.TraverseAttr:
		return step.Name, true
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String {
			return step.Key.AsString(), true
		}
	}
	return "", false
}

// checkMagnitude keeps values small enough that expressions over them stay small too.
func checkMagnitude(v cty.Value) error {
	elements := 0
	return cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if !v.IsKnown() || v.IsNull() {
			return true, nil
		}
		elements++
		switch {
		case elements > maxElements:
			return false, fmt.Errorf("it has more than %d elements", maxElements)
		case v.Type() == cty.String && len(v.AsString()) > maxString:
			return false, fmt.Errorf("a text of %d bytes is longer than %d", len(v.AsString()), maxString)
		case v.Type() == cty.Number && numberProblem(v.AsBigFloat()) != nil:
			return false, numberProblem(v.AsBigFloat())
		case v.Type() == cty.Number && new(big.Float).Abs(v.AsBigFloat()).Cmp(big.NewFloat(maxNumber)) > 0:
			return false, fmt.Errorf("a number is larger than %g", maxNumber)
		}
		return true, nil
	})
}

// valueText is a known value as HCL.
func valueText(v cty.Value) string {
	if !v.IsNull() && v.Type().Equals(distributionType) {
		if d, err := toDistribution(v); err == nil {
			return d.String()
		}
	}
	return string(hclwrite.TokensForValue(v).Bytes())
}
