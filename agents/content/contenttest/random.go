package contenttest

import (
	"fmt"
	"math/rand/v2"

	"github.com/fleetfall/fleetfall/agents/content"
)

// Random returns a case made from the seed: up to 3 templates, up to 24 instances and an event that a fair share of
// them match. Fields that sensors do not supply have wildcards in every instance.
func Random(seed uint64) Case {
	chance := rand.New(rand.NewPCG(seed, 291))
	f := content.File{Version: chance.Uint64()}
	for i := range chance.IntN(4) {
		t := content.Template{ID: uint16(i*1000 + chance.IntN(1000)), Name: fmt.Sprintf("template %d", i)}
		for n := range 1 + chance.IntN(content.MaxFields) {
			t.Fields = append(t.Fields, fmt.Sprintf("field %d", n))
		}
		f.Templates = append(f.Templates, t)
	}
	in := make([]string, content.SensorFields)
	for i := range in {
		in[i] = randomText(chance, 6)
	}
	if len(f.Templates) > 0 {
		for i := range chance.IntN(25) {
			f.Instances = append(f.Instances, randomInstance(chance, uint32(i), f.Templates, in))
		}
	}
	template := content.ProcessTemplate // of no instance, where there is no template
	if n := len(f.Templates); n > 0 {
		template = f.Templates[chance.IntN(n)].ID
	}
	return Case{Name: fmt.Sprintf("seed %d", seed), File: f, Template: template, Inputs: in, Want: Evaluate(f, template, in)}
}

func randomInstance(chance *rand.Rand, index uint32, templates []content.Template, inputs []string) content.Instance {
	t := templates[chance.IntN(len(templates))]
	in := content.Instance{
		ID:         index<<16 | uint32(chance.IntN(1<<16)),
		TemplateID: t.ID,
		Action:     content.Action(chance.IntN(3)),
		Name:       fmt.Sprintf("instance %d", index),
		Criteria:   make([]content.Criterion, len(t.Fields)),
	}
	// Few criteria that are not wildcards, or no instance would ever match.
	for range 1 + chance.IntN(3) {
		field := chance.IntN(min(len(t.Fields), content.SensorFields))
		in.Criteria[field] = randomCriterion(chance, inputs[field], 0)
	}
	return in
}

// randomCriterion is about as likely to match the input as not. It lies in depth groups.
func randomCriterion(chance *rand.Rand, input string, depth int) content.Criterion {
	from := chance.IntN(len(input) + 1)
	to := from + chance.IntN(len(input)-from+1)
	if depth < content.MaxDepth && chance.IntN(5) == 0 {
		return randomGroup(chance, input, depth+1)
	}
	c := content.Criterion{Op: content.Equals + content.Op(chance.IntN(4))}
	switch c.Op {
	case content.Equals:
		c.Value = input
	case content.Prefix:
		c.Value = input[:to]
	case content.Contains:
		c.Value = input[from:to]
	case content.Glob:
		c.Value = randomText(chance, 2) + "*" + input[from:to] + "*" + randomText(chance, 1)
	}
	if chance.IntN(3) == 0 {
		c.Value = randomText(chance, 6)
	}
	return c
}

// randomGroup has groups in it now and then.
func randomGroup(chance *rand.Rand, input string, depth int) content.Criterion {
	var group []content.Criterion
	for range 1 + chance.IntN(3) {
		group = append(group, randomCriterion(chance, input, depth))
	}
	if chance.IntN(2) == 0 {
		return content.AllOf(group...)
	}
	return content.AnyOf(group...)
}

// randomText is made of few different bytes, so that comparisons get further than the first, and of the wildcards.
func randomText(chance *rand.Rand, most int) string {
	const alphabet = "aaab*?\x00\xff"
	b := make([]byte, chance.IntN(most+1))
	for i := range b {
		b[i] = alphabet[chance.IntN(len(alphabet))]
	}
	return string(b)
}
