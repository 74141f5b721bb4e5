package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/fleetfall/fleetfall/agents/content"
)

// A blockType is the syntax of one type of block: the single place that says what may be written where.
type blockType struct {
	name   string
	label  string // what its one label is; empty for a block without
	needed bool   // at least one in a body
	unique bool   // at most one in a body
	fixed  bool   // cannot come from a dynamic block
	free   bool   // any attribute is allowed, none of them is listed
	attrs  []attribute
	blocks []blockType
}

type attribute struct {
	name     string
	required bool
	example  string
}

// language is the syntax of a whole file.
var language = blockType{blocks: []blockType{
	{name: "expect", label: "text", attrs: []attribute{
		{"where", false, `where = { fleet = "user" }`}, {"metric", true, `metric = "blast_radius"`},
		{"min", false, `min = 1`}, {"max", false, `max = 0`},
	}},
	{name: "fleet", label: "name", needed: true, attrs: []attribute{
		{"architecture", true, `architecture = "kernel"`}, {"hosts", true, `hosts = 4`}, {"image", false, `image = "tiny"`},
		{"memory", false, `memory = "96MiB"`}, {"control", false, `control = true`}, {"mitigations", false, `mitigations = []`},
		{"boot", false, `boot = "cold"`}, {"oops", false, `oops = "kill"`}, {"waves", false, `waves = true`},
		{"crash_dump", false, `crash_dump = true`},
		{"for_each", false, `for_each = toset(["kernel", "user"])`},
	}},
	{name: "guest", unique: true, fixed: true, attrs: []attribute{
		{"beat", false, `beat = "1s"`}, {"poll", false, `poll = "2s"`}, {"work", false, `work = "1s"`},
		{"threat", false, `threat = "2s"`},
	}},
	{name: "host", label: "name", attrs: []attribute{{"uri", true, `uri = "` + exampleURI + `"`}}},
	{name: "locals", fixed: true, free: true},
	{name: "matrix", unique: true, fixed: true, attrs: []attribute{
		{"exclude", true, `exclude = [{ fleet = "user", recovery = "technicians" }]`},
	}},
	{name: "recovery", label: "name", attrs: []attribute{
		{"strategy", false, `strategy = "safe_mode"`}, {"technicians", false, `technicians = 2`},
		{"hands_on", false, `hands_on = lognormal("4m", 0.5)`}, {"notice", false, `notice = "5m"`},
		{"restart", false, `restart = "1s"`},
	}},
	{name: "rollout", label: "name"},
	{name: "scenario", label: "name", needed: true, unique: true, fixed: true, attrs: []attribute{
		{"description", false, `description = "What it shows."`}, {"seed", false, `seed = 291`},
		{"deadline", true, `deadline = "30m"`}, {"repeat", false, `repeat = 3`}, {"backend", false, `backend = "libvirt"`},
		{"stable_for", false, `stable_for = "30s"`}, {"liveness", false, `liveness = "30s"`},
		{"latency_bound", false, `latency_bound = "5s"`}, {"clock", false, `clock = "virtual"`},
	}},
	{name: "update", label: "name", needed: true, attrs: []attribute{
		{"at", true, `at = "30s"`}, {"fault", false, `fault = "field_count"`}, {"revert_after", false, `revert_after = "78m"`},
		{"signed", false, `signed = true`},
	}, blocks: []blockType{
		{name: "fault", label: "name", unique: true, attrs: faultParameters()},
	}},
	{name: "variable", label: "name", fixed: true, attrs: []attribute{
		{"type", false, `type = number`}, {"default", false, `default = 4`}, {"description", false, `description = "Hosts in each fleet."`},
	}, blocks: []blockType{
		{name: "validation", attrs: []attribute{
			{"condition", true, `condition = var.hosts > 0`}, {"error_message", true, `error_message = "There must be a host."`},
		}},
	}},
}}

// faultParameters are the parameters of all faults; each fault refuses what is another's.
func faultParameters() []attribute {
	var all []attribute
	for _, f := range content.Faults() {
		for _, p := range f.Parameters {
			if !slices.ContainsFunc(all, func(a attribute) bool { return a.name == p.Name }) {
				all = append(all, attribute{p.Name, false, fmt.Sprintf("%s = %q", p.Name, p.Default)})
			}
		}
	}
	return all
}

func (t *blockType) attrNames() []string {
	var names []string
	for _, a := range t.attrs {
		names = append(names, a.name)
	}
	return sorted(names)
}

func (t *blockType) blockNames() []string {
	var names []string
	for _, b := range t.blocks {
		names = append(names, b.name)
	}
	return names
}

func (t *blockType) attr(name string) *attribute {
	if i := slices.IndexFunc(t.attrs, func(a attribute) bool { return a.name == name }); i >= 0 {
		return &t.attrs[i]
	}
	return nil
}

func (t *blockType) block(name string) *blockType {
	if i := slices.IndexFunc(t.blocks, func(b blockType) bool { return b.name == name }); i >= 0 {
		return &t.blocks[i]
	}
	return nil
}

// where is how messages call the inside of a block of this type.
func (t *blockType) where() string {
	if t.name == "" {
		return "at the top of a scenario file"
	}
	return "in " + withArticle(t.name) + " block"
}

// schema is what hcl needs to find this type's attributes and the blocks of these types. Nothing is required there:
// checkBody says better what is missing.
func (t *blockType) schema(blocks ...string) *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, a := range t.attrs {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: a.name})
	}
	for _, name := range blocks {
		header := hcl.BlockHeaderSchema{Type: name}
		if b := t.block(name); b.label != "" {
			header.LabelNames = []string{b.label}
		}
		s.Blocks = append(s.Blocks, header)
	}
	return s
}

// checkBody reports attributes and blocks that do not belong in a body of type t, and those that it lacks; values are
// left to the readers. It takes the blocks that it reports out of the body, so that nothing stumbles over them again.
func (l *loader) checkBody(t *blockType, body *hclsyntax.Body, header hcl.Range) {
	for _, name := range slices.Sorted(maps.Keys(body.Attributes)) {
		attr := body.Attributes[name]
		switch {
		case t.free || t.attr(name) != nil:
		case t.block(name) != nil:
			l.errorf(attr.NameRange, "Block written as an attribute",
				"%q is a block %s: write %s without an equals sign.",
				name, t.where(), blockExample(t.block(name)))
		default:
			l.errorf(attr.NameRange, "Unknown attribute", "There is no attribute %q %s.%s", name, t.where(),
				hint(name, "attributes", t.attrNames()))
		}
	}
	for _, a := range t.attrs {
		if body.Attributes[a.name] == nil && a.required {
			l.errorf(header, "Missing attribute", "%s block needs the attribute %q, for example: %s",
				capital(withArticle(t.name)), a.name, a.example)
		}
	}
	end := hcl.Range{Filename: body.EndRange.Filename, Start: body.EndRange.Start, End: body.EndRange.Start}
	for _, b := range t.blocks {
		written := func(block *hclsyntax.Block) bool { return block.Type == b.name || b.madeBy(block) }
		if b.needed && !slices.ContainsFunc(body.Blocks, written) {
			l.errorf(end, "Missing "+b.name+" block",
				"A scenario file needs %s block, %s, with the attributes that it needs: %s.",
				withArticle(b.name), blockExample(&b), b.needs())
		}
	}
	first := map[string]hcl.Range{}
	body.Blocks = slices.DeleteFunc(body.Blocks, func(block *hclsyntax.Block) bool {
		good := l.checkBlock(t, block, first)
		l.dropped = l.dropped || !good && t.name == ""
		return !good
	})
}

// checkBlock checks a block in a body of type t; first holds where blocks of each type were seen before.
func (l *loader) checkBlock(t *blockType, block *hclsyntax.Block, first map[string]hcl.Range) bool {
	if block.Type == "dynamic" {
		return l.checkDynamic(t, block)
	}
	b := t.block(block.Type)
	switch {
	case b == nil && t.attr(block.Type) != nil:
		l.errorf(block.TypeRange, "Attribute written as a block",
			"%q is an attribute %s: write it with an equals sign, for example: %s",
			block.Type, t.where(), t.attr(block.Type).example)
		return false
	case b == nil && len(t.blocks) == 0:
		l.errorf(block.TypeRange, "Unknown block", "There is no block %q %s, nor any other.", block.Type, t.where())
		return false
	case b == nil:
		l.errorf(block.TypeRange, "Unknown block", "There is no block %q %s.%s", block.Type, t.where(),
			hint(block.Type, "blocks", t.blockNames()))
		return false
	}
	l.checkBody(b, block.Body, block.DefRange())
	at, again := first[b.name]
	if !again {
		first[b.name] = block.DefRange()
	}
	switch {
	case again && b.unique:
		l.errorf(block.DefRange(), "Duplicate "+b.name+" block",
			"There can be only one %s block %s; the first is at %s.",
			b.name, t.where(), at)
		return false
	case b.label == "" && len(block.Labels) > 0:
		l.errorf(block.LabelRanges[0], "Unexpected label",
			"%s block has no label: write %s.", capital(withArticle(b.name)), blockExample(b))
		return false
	case b.label != "" && len(block.Labels) == 0:
		l.errorf(block.DefRange(), "Missing "+b.label,
			"%s block needs a %s in quotes: write %s.", capital(withArticle(b.name)),
			b.label, blockExample(b))
		return false
	case b.label != "" && len(block.Labels) > 1:
		l.errorf(block.LabelRanges[1], "Unexpected label", "%s block has one label, its %s: remove this one.",
			capital(withArticle(b.name)), b.label)
		return false
	}
	return true
}

// needs lists the attributes that a block of this type must have.
func (t *blockType) needs() string {
	var names []string
	for _, a := range t.attrs {
		if a.required {
			names = append(names, a.name)
		}
	}
	return andList(names)
}

// madeBy tells whether block is a dynamic block that makes blocks of this type.
func (t *blockType) madeBy(block *hclsyntax.Block) bool {
	return block.Type == "dynamic" && len(block.Labels) > 0 && block.Labels[0] == t.name
}

// checkDynamic checks a dynamic block's content as a block of the type that it makes; its frame is left to dynblock.
func (l *loader) checkDynamic(t *blockType, block *hclsyntax.Block) bool {
	if len(block.Labels) != 1 {
		l.errorf(block.DefRange(), "Missing type",
			"A dynamic block needs one label, the type of the blocks that it makes: write dynamic \"fleet\" { … }.")
		return false
	}
	b := t.block(block.Labels[0])
	if b == nil || b.fixed {
		var can []string
		for _, b := range t.blocks {
			if !b.fixed {
				can = append(can, b.name)
			}
		}
		l.errorf(block.LabelRanges[0], "Unsuitable dynamic block", "A dynamic block %s cannot make %q blocks.%s",
			t.where(), block.Labels[0], hint(block.Labels[0], "blocks that it can make", can))
		return false
	}
	for _, inner := range block.Body.Blocks {
		if inner.Type == "content" {
			l.checkBody(b, inner.Body, block.DefRange())
		}
	}
	return true
}

func blockExample(t *blockType) string {
	if t.label == "" {
		return t.name + " { … }"
	}
	return fmt.Sprintf("%s %q { … }", t.name, strings.ReplaceAll(t.label, " ", "-"))
}
