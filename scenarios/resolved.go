package scenarios

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Resolved is the plan's source with the value that each variable had in the place of its default, so that the file
// alone says what was run, and runs it again.
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
	return hclwrite.Format(file.Bytes())
}
