package scenarios

import (
	"context"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// Resolved is the plan's source with the value that each variable had in the place of its default, and with the clock
// that was asked for from outside, so that the file alone says what was run, and runs it again.
func Resolved(p *Plan) []byte {
	file, diags := hclwrite.ParseConfig([]byte(p.Source), p.SourceName, hcl.InitialPos)
	if diags.HasErrors() {
		return []byte(p.Source) // a plan made by hand, or a journal's of another language: kept as it is
	}
	values := map[string]string{}
	for _, s := range p.Variables {
		values[s.Name] = s.Value
	}
	for _, block := range file.Body().Blocks() {
		if block.Type() != "variable" || len(block.Labels()) != 1 {
			continue
		}
		value, ok := values[block.Labels()[0]]
		if !ok {
			continue
		}
		tokens, diags := hclsyntax.LexExpression([]byte(value), p.SourceName, hcl.InitialPos)
		if diags.HasErrors() {
			continue
		}
		var raw hclwrite.Tokens
		for _, t := range tokens {
			if t.Type != hclsyntax.TokenEOF {
				raw = append(raw, &hclwrite.Token{Type: t.Type, Bytes: t.Bytes})
			}
		}
		block.Body().SetAttributeRaw("default", raw)
	}
	resolveRestart(file, p)
	resolveClock(file, p)
	return hclwrite.Format(file.Bytes())
}

// resolveClock writes the plan's clock into the scenario block, unless the source gives it by itself, perhaps by a
// variable, which is then still one.
func resolveClock(file *hclwrite.File, p *Plan) {
	if p.Clock == "" {
		return
	}
	alone, _ := Load(context.Background(), p.SourceName, file.Bytes(), Options{})
	if alone != nil && alone.Clock == p.Clock {
		return
	}
	for _, block := range file.Body().Blocks() {
		if block.Type() == "scenario" {
			block.Body().SetAttributeValue("clock", cty.StringVal(p.Clock))
		}
	}
}

// resolveRestart writes out the time to a restart where the source leaves it to the default: there were versions with
// another.
func resolveRestart(file *hclwrite.File, p *Plan) {
	written := false
	for _, block := range file.Body().Blocks() {
		written = written || block.Type() == "recovery" || block.Type() == "dynamic"
		if block.Type() != "recovery" || len(block.Labels()) != 1 || block.Body().GetAttribute("restart") != nil {
			continue
		}
		for _, c := range p.Cells {
			if c.Recovery.Name == block.Labels()[0] && c.Recovery.Restart != Duration(defaultRestart) {
				block.Body().SetAttributeValue("restart", cty.StringVal(text(c.Recovery.Restart)))
				break
			}
		}
	}
	if !written && len(p.Cells) > 0 && p.Cells[0].Recovery.Restart != Duration(defaultRestart) {
		block := file.Body().AppendNewBlock("recovery", []string{p.Cells[0].Recovery.Name})
		block.Body().SetAttributeValue("restart", cty.StringVal(text(p.Cells[0].Recovery.Restart)))
	}
}
