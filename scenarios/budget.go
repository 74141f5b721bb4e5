package scenarios

import (
	"context"
	"fmt"
	"math/big"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// A budget bounds what one load may cost, in steps: an evaluation of an expression, an element of a value or stepBytes
// bytes of a text are one each. A source costs the same steps on every machine, so that it is good on all of them or on
// none.
//
// The evaluator of HCL cannot be told to stop, so stop panics, and Load recovers at its end.
type budget struct {
	ctx   context.Context
	left  int64
	taken int       // times that steps were taken: ctx is not looked at each time
	at    hcl.Range // of the expression that is evaluated
	spent *stopped  // of a function, whose panics its library makes errors of
}

// stopped is what a load that stops panics with.
type stopped struct {
	at              hcl.Range
	summary, detail string
}

const (
	stepBytes    = 4   // bytes of a text that count as one step
	stepsOfFault = 256 // a diagnostic, with its texts
	stepsOfBlock = 64  // a block that a dynamic block or a for_each makes
)

// charge takes n steps.
func (b *budget) charge(n int64) {
	if why := b.take(n); why != nil {
		panic(why)
	}
}

func (b *budget) take(n int64) *stopped {
	if b.taken++; b.taken%256 == 1 && b.ctx.Err() != nil {
		return &stopped{b.at, "Interrupted", fmt.Sprintf("The scenario was not read to its end: %v.", b.ctx.Err())}
	}
	if b.left -= min(n, maxSteps+1); b.left >= 0 {
		return nil
	}
	return &stopped{b.at, "Too much to evaluate", fmt.Sprintf("A scenario may take %d steps to evaluate, and they are used up "+
		"here. Loops in loops multiply, and so do functions that lengthen what others have lengthened: make lists shorter, or "+
		"write the result out.", maxSteps)}
}

// sizeOf is how many steps it takes to go through a value; what it finds that no scenario may hold is the error. It
// looks no further than most steps.
func sizeOf(v cty.Value, most int64) (steps int64, err error) {
	v, _ = v.Unmark()
	steps = 1
	if !v.IsKnown() || v.IsNull() {
		return steps, nil
	}
	switch t := v.Type(); {
	case t == cty.String:
		n := len(v.AsString())
		if n > maxIntermediate {
			return steps, fmt.Errorf("a text of %d bytes is longer than %d", n, maxIntermediate)
		}
		steps += int64(n / stepBytes)
	case t == cty.Number:
		return steps, numberProblem(v.AsBigFloat())
	case v.CanIterateElements():
		each := int64(1)
		if t.IsSetType() {
			each = 8 // a set is sorted before anybody goes through it
		}
		if steps += each * int64(v.LengthInt()); steps > most {
			return steps, nil
		}
		for it := v.ElementIterator(); it.Next() && steps <= most; {
			_, element := it.Element()
			n, err := sizeOf(element, most-steps)
			if steps += n; err != nil {
				return steps, err
			}
		}
	}
	return steps, nil
}

// numberProblem refuses what is no number, and what takes megabytes to write out.
func numberProblem(f *big.Float) error {
	if f.IsInf() {
		return fmt.Errorf("it is infinite: something was divided by zero or became too large")
	}
	if e := f.MantExp(nil); f.Sign() != 0 && (e > maxBinaryExponent || e < -maxBinaryExponent) {
		return fmt.Errorf("a number is larger or nearer to zero than can be calculated with")
	}
	return nil
}

// A counted expression takes its steps before and after it is evaluated. What is embedded has the syntax below it
// walked.
type counted struct {
	*hclsyntax.ParenthesesExpr
	budget *budget
	modulo bool // it is the divisor of a remainder: for zero the library has an answer
}

// UnwrapExpression is for readers of syntax, as hcl.UnwrapExpression has it.
func (c *counted) UnwrapExpression() hcl.Expression { return c.Expression }

// Value is that of the expression.
func (c *counted) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	b := c.budget
	before := b.at
	b.at = c.SrcRange
	b.charge(1)
	v, diags := c.Expression.Value(ctx)
	b.at = c.SrcRange
	if b.spent != nil {
		panic(b.spent)
	}
	b.charge(int64(len(diags)) * stepsOfFault)
	if diags.HasErrors() {
		b.at = before
		return v, diags
	}
	steps, err := sizeOf(v, b.left)
	b.charge(steps)
	b.at = before
	if err == nil && c.modulo && v.RawEquals(cty.Zero) {
		err = fmt.Errorf("it is what is divided by, and zero")
	}
	if err != nil {
		return cty.DynamicVal, append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Value out of range",
			Detail:  "The value of this cannot be used: " + err.Error() + ".",
			Subject: &c.SrcRange, Expression: c.Expression, EvalContext: ctx,
		})
	}
	return v, diags
}

// countBody has every expression in a body counted.
func (b *budget) countBody(body *hclsyntax.Body) error {
	for _, attr := range body.Attributes {
		if err := b.count(&attr.Expr, 0); err != nil {
			return err
		}
	}
	for _, block := range body.Blocks {
		if err := b.countBody(block.Body); err != nil {
			return err
		}
	}
	return nil
}

// count puts a counted expression in the place of this one and of each below it. What is a literal or a name for an
// element has no cost of its own, but in a loop.
func (b *budget) count(at *hclsyntax.Expression, depth int) error {
	if *at == nil {
		return nil
	}
	if depth > maxDepth {
		return &depthError{(*at).Range()}
	}
	if err := b.countBelow(*at, depth+1); err != nil {
		return err
	}
	switch (*at).(type) {
	case *hclsyntax.LiteralValueExpr, *hclsyntax.AnonSymbolExpr, *hclsyntax.ObjectConsKeyExpr, *counted:
		return nil
	}
	b.wrap(at)
	return nil
}

func (b *budget) wrap(at *hclsyntax.Expression) *counted {
	c := &counted{ParenthesesExpr: &hclsyntax.ParenthesesExpr{Expression: *at, SrcRange: (*at).Range()}, budget: b}
	*at = c
	return c
}

// A depthError is syntax that is nested deeper than anything is worth.
type depthError struct{ at hcl.Range }

func (e *depthError) Error() string { return fmt.Sprintf("%s: nesting too deep", e.at) }

// countBelow counts what is directly below an expression.
func (b *budget) countBelow(expr hclsyntax.Expression, depth int) error {
	var below []*hclsyntax.Expression
	switch e := expr.(type) {
	case *hclsyntax.BinaryOpExpr:
		below = append(below, &e.LHS, &e.RHS)
	case *hclsyntax.UnaryOpExpr:
		below = append(below, &e.Val)
	case *hclsyntax.ConditionalExpr:
		below = append(below, &e.Condition, &e.TrueResult, &e.FalseResult)
	case *hclsyntax.ForExpr:
		below = append(below, &e.CollExpr, &e.KeyExpr, &e.ValExpr, &e.CondExpr)
	case *hclsyntax.FunctionCallExpr:
		for i := range e.Args {
			below = append(below, &e.Args[i])
		}
	case *hclsyntax.IndexExpr:
		below = append(below, &e.Collection, &e.Key)
	case *hclsyntax.ObjectConsExpr:
		for i := range e.Items {
			below = append(below, &e.Items[i].KeyExpr, &e.Items[i].ValueExpr)
		}
	case *hclsyntax.ObjectConsKeyExpr:
		return b.countBelow(e.Wrapped, depth) // HCL looks at the wrapped expression's type itself
	case *hclsyntax.ParenthesesExpr:
		below = append(below, &e.Expression)
	case *hclsyntax.RelativeTraversalExpr:
		below = append(below, &e.Source)
	case *hclsyntax.SplatExpr:
		below = append(below, &e.Source, &e.Each)
	case *hclsyntax.TemplateExpr:
		for i := range e.Parts {
			below = append(below, &e.Parts[i])
		}
	case *hclsyntax.TemplateJoinExpr:
		below = append(below, &e.Tuple)
	case *hclsyntax.TemplateWrapExpr:
		below = append(below, &e.Wrapped)
	case *hclsyntax.TupleConsExpr:
		for i := range e.Exprs {
			below = append(below, &e.Exprs[i])
		}
	}
	for _, at := range below {
		if err := b.count(at, depth); err != nil {
			return err
		}
	}
	switch e := expr.(type) {
	case *hclsyntax.ForExpr:
		b.wrapLiterals(&e.KeyExpr, &e.ValExpr, &e.CondExpr)
	case *hclsyntax.BinaryOpExpr:
		if e.Op == hclsyntax.OpModulo {
			b.wrap(&e.RHS).modulo = true
		}
	}
	return nil
}

// wrapLiterals counts literals in a loop's body, each of whose turns is a step.
func (b *budget) wrapLiterals(body ...*hclsyntax.Expression) {
	for _, at := range body {
		if _, literal := (*at).(*hclsyntax.LiteralValueExpr); literal {
			b.wrap(at)
		}
	}
}

// countCalls has functions take the steps of a call before they are called. A function whose cost is more than in
// proportion to its arguments has an entry in costs.
func (b *budget) countCalls(all map[string]function.Function) map[string]function.Function {
	counted := map[string]function.Function{}
	for name, f := range all {
		cost := costs[name]
		counted[name] = function.New(&function.Spec{
			Description: f.Description(), Params: f.Params(), VarParam: f.VarParam(),
			Type: func(args []cty.Value) (cty.Type, error) {
				if err := b.call(cost, args); err != nil {
					return cty.NilType, err
				}
				return f.ReturnTypeForValues(args)
			},
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
		})
	}
	return counted
}

// call takes the steps of one call.
func (b *budget) call(cost func([]cty.Value, int64) int64, args []cty.Value) error {
	var size int64
	known := true
	for i, arg := range args {
		n, err := sizeOf(arg, b.left)
		if err != nil {
			return function.NewArgError(i, err)
		}
		size += n
		known = known && arg.IsWhollyKnown() && !arg.IsNull()
	}
	steps := 4 * size // to convert it, to tell the result's type, to compute it, and for luck
	if cost != nil && known {
		steps += cost(args, size)
	}
	if b.spent = b.take(steps); b.spent != nil {
		return fmt.Errorf("%s", b.spent.detail)
	}
	return nil
}
