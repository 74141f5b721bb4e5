package scenarios

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// A scope is what expressions in a place may refer to.
type scope struct {
	each      bool     // the fleet has a for_each
	iterators []string // of the dynamic blocks around
}

// checkReferences reports every use of a variable, local or other name that does not exist. Each such name is then
// given an unknown value in the loader's evaluation context, so that it is reported here and nowhere else.
func (l *loader) checkReferences(body *hclsyntax.Body, sc scope) {
	for _, name := range slices.Sorted(maps.Keys(body.Attributes)) {
		l.checkExpression(body.Attributes[name].Expr, sc)
	}
	for _, block := range body.Blocks {
		inner := sc
		switch block.Type {
		case "variable":
			// Its type is a keyword, and its default a constant; hcl says so when it evaluates them.
			for _, validation := range block.Body.Blocks {
				l.checkReferences(validation.Body, sc)
			}
			continue
		case "fleet":
			inner.each = block.Body.Attributes["for_each"] != nil
		case "dynamic":
			l.checkDynamicReferences(block, sc)
			continue
		}
		l.checkReferences(block.Body, inner)
	}
}

func (l *loader) checkDynamicReferences(block *hclsyntax.Block, sc scope) {
	inner := sc
	if len(block.Labels) > 0 {
		inner.iterators = append(slices.Clone(sc.iterators), block.Labels[0])
	}
	if attr := block.Body.Attributes["iterator"]; attr != nil {
		inner.iterators = append(slices.Clone(sc.iterators), hcl.ExprAsKeyword(attr.Expr))
	}
	for _, name := range slices.Sorted(maps.Keys(block.Body.Attributes)) {
		switch name {
		case "iterator":
		case "labels":
			l.checkExpression(block.Body.Attributes[name].Expr, inner)
		default:
			l.checkExpression(block.Body.Attributes[name].Expr, sc)
		}
	}
	for _, content := range block.Body.Blocks {
		contentScope := inner
		contentScope.each = content.Body.Attributes["for_each"] != nil
		l.checkReferences(content.Body, contentScope)
	}
}

func (l *loader) checkExpression(expr hclsyntax.Expression, sc scope) {
	for _, t := range hclsyntax.Variables(expr) {
		root := t.RootName()
		switch {
		case slices.Contains(sc.iterators, root):
		case root == "var":
			l.checkMember(t, "variable", l.variables)
		case root == "local":
			l.checkMember(t, "local", l.locals)
		case root == "each" && sc.each:
		case root == "each":
			l.errorf(t.SourceRange(), "Unknown name", `"each" is only there inside a fleet that has a for_each.`)
			l.ctx.Variables[root] = unknown
		default:
			l.unknownRoot(t, root)
			l.ctx.Variables[root] = unknown
		}
	}
}

// checkMember checks var.NAME and local.NAME.
func (l *loader) checkMember(t hcl.Traversal, what string, members map[string]hcl.Range) {
	if len(t) < 2 {
		known := slices.Sorted(maps.Keys(members))
		l.errorf(t.SourceRange(), "Incomplete reference", "%q alone has no value; write %s.NAME.%s", t.RootName(),
			t.RootName(), hint("", what+"s", known))
		return
	}
	name, ok := memberOf(t)
	if !ok {
		return // hcl reports it
	}
	if _, ok := members[name]; ok {
		return
	}
	l.budget.charge(int64(len(members))) // each of them is compared with the name
	known := slices.Sorted(maps.Keys(members))
	l.errorf(hcl.RangeBetween(t[0].SourceRange(), t[1].SourceRange()), "Undeclared "+what,
		"There is no %s %q.%s", what, name, hint(name, what+"s", known))
	l.undeclared[t.RootName()] = append(l.undeclared[t.RootName()], name)
}

func (l *loader) unknownRoot(t hcl.Traversal, root string) {
	l.budget.charge(int64(len(l.variables) + len(l.locals)))
	qualified := map[string]string{}
	for name := range l.variables {
		qualified[name] = "var." + name
	}
	for name := range l.locals {
		qualified[name] = "local." + name
	}
	mend := ""
	if near := nearest(root, slices.Sorted(maps.Keys(qualified))); near != "" {
		mend = " Did you mean " + qualified[near] + "?"
	} else if len(t) == 1 {
		mend = ` Text is written in quotes: "` + root + `".`
	}
	l.errorf(t.SourceRange(), "Unknown name",
		"There is nothing called %q here.%s Variables are var.NAME, locals local.NAME.", root, mend)
}
