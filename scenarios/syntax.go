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

// A blockType is the syntax of one type of block: the single place that says what may be written where, and what it is
// for.
type blockType struct {
	name   string
	what   string // one sentence
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
	what     string // one sentence; empty for a fault's parameters, which the fault explains
	fallback string // what it is when it is not written, where that is a value
}

// language is the syntax of a whole file.
var language = blockType{blocks: []blockType{
	{name: "expect", label: "text", what: "A bound on a metric, in each cell that it is about; the verdict hangs on them.", attrs: []attribute{
		{"where", false, `where = { fleet = "user" }`, "Which cells: the names of their parts, of " + andList(selectorKeys) + "; all of them when it is left out.", ""},
		{"metric", true, `metric = "blast_radius"`, "Which figure; `fleetfall metrics` lists them.", ""},
		{"min", false, `min = 1`, "The least that it may be, in the metric's unit; there must be min, max or both.", ""},
		{"max", false, `max = 0`, "The most that it may be.", ""},
	}},
	{name: "fleet", label: "name", needed: true, what: "Hosts of one kind. Cells are the product of fleets, updates, rollouts and recoveries.", attrs: []attribute{
		{"architecture", true, `architecture = "kernel"`, "Where the agent evaluates content: " + orList(architectures) + ".", ""},
		{"hosts", true, `hosts = 4`, "How many.", ""},
		{"image", false, `image = "tiny"`, "The recipe of their image.", `"tiny"`},
		{"memory", false, `memory = "96MiB"`, "Of each host, in whole MiB.", `"96MiB"`},
		{"control", false, `control = true`, "A control arm: it gets a harmless update in the place of the scenario's. Where no fleet is one, the first is run once more as one.", "false"},
		{"mitigations", false, `mitigations = []`, "What the agent has against faults; there are none yet.", "[]"},
		{"boot", false, `boot = "cold"`, "What a host's first boot is: clone, a copy of a host that has booted; or cold, a real boot, as all later ones are.", `"clone"`},
		{"oops", false, `oops = "kill"`, "What a kernel does about a fault of its own: panic; or kill the task and go on.", `"panic"`},
		{"waves", false, `waves = true`, "A fleet that does not fit into memory is run in parts, and not refused.", "false"},
		{"crash_dump", false, `crash_dump = true`, "Each host's memory is kept at its first panic, and its kernel's log from there.", "false"},
		{"for_each", false, `for_each = toset(["kernel", "user"])`, "Makes a fleet NAME-KEY of each element, in which each.key and each.value are known.", ""},
	}},
	{name: "guest", unique: true, fixed: true, what: "How often every host does what it does.", attrs: []attribute{
		{"beat", false, `beat = "1s"`, "A sign of life.", `"1s"`},
		{"poll", false, `poll = "2s"`, "A look for new content.", `"2s"`},
		{"work", false, `work = "1s"`, "A unit of work.", `"1s"`},
		{"threat", false, `threat = "2s"`, "A synthetic threat.", `"2s"`},
	}},
	{name: "host", label: "name", what: "A machine with libvirt; fleets are spread over all of them, by free memory. Without such blocks it is this machine.", attrs: []attribute{
		{"uri", true, `uri = "` + exampleURI + `"`, "Of its libvirt daemon.", ""},
	}},
	{name: "locals", fixed: true, free: true, what: "Names for values, each an attribute; local.NAME is its value."},
	{name: "matrix", unique: true, fixed: true, what: "What of the product is left out.", attrs: []attribute{
		{"exclude", true, `exclude = [{ fleet = "user", recovery = "technicians" }]`, "Cells that have all the names of one of these, as in an expectation's where.", ""},
	}},
	{name: "recovery", label: "name", what: "What is done about hosts that are down. Without such a block they restart by themselves, and nobody comes.", attrs: append([]attribute{
		{"strategy", false, `strategy = "safe_mode"`, strategySentence(), ""},
		{"restart", false, `restart = "2m"`, "From a panic to the host's automatic restart: a dump is written, and firmware runs. The shorter, the more boots there are to compute.", `"1m"`},
	}, wayParameters()...), blocks: []blockType{
		{name: "way", label: "name", unique: true, what: "A strategy with its parameters in a block of its own, in the place of the attribute.", attrs: wayParameters()},
	}},
	{name: "rollout", label: "name", what: "How hosts come to the update. There is one way yet, all of them at their next poll, and a name for it."},
	{name: "scenario", label: "name", needed: true, unique: true, fixed: true, what: "What holds for the whole run.", attrs: []attribute{
		{"description", false, `description = "What it shows."`, "One line, for readers.", `""`},
		{"seed", false, `seed = 291`, "All chance follows from it.", "1"},
		{"deadline", true, `deadline = "30m"`, "How long after the injection hosts have to come back; those that are not back are censored.", ""},
		{"repeat", false, `repeat = 3`, "How often each cell is run, each time with a seed of its own.", "1"},
		{"backend", false, `backend = "libvirt"`, "What runs the hosts, and as what; libvirt runs them as virtual machines.", `"libvirt"`},
		{"stable_for", false, `stable_for = "30s"`, "How long a host must stay available to count as back.", `"30s"`},
		{"liveness", false, `liveness = "30s"`, "How long a host may be silent before it counts as hung.", `"30s"`},
		{"latency_bound", false, `latency_bound = "5s"`, "How long a unit of work may take before its host counts as degraded.", `"5s"`},
		{"clock", false, `clock = "virtual"`, "What time is made of: virtual, the guests' instructions, where CPUs are emulated on one machine; or wall. By default virtual where it can be.", ""},
	}},
	{name: "update", label: "name", needed: true, what: "What the vendor ships. Its fault is an attribute, or a block that gives the fault's parameters.", attrs: []attribute{
		{"at", true, `at = "30s"`, "When, after the fleet is ready.", ""},
		{"fault", false, `fault = "field_count"`, "What is wrong with it; `fleetfall faults` lists them, and none is a harmless update.", ""},
		{"revert_after", false, `revert_after = "78m"`, "How long after that the vendor pulls it; 0s is never.", `"0s"`},
		{"signed", false, `signed = true`, "Whether the vendor has signed it.", "true"},
	}, blocks: []blockType{
		{name: "fault", label: "name", unique: true, what: "Its attributes are the fault's parameters, as text; `fleetfall faults NAME` tells them.", attrs: faultParameters()},
	}},
	{name: "variable", label: "name", fixed: true, what: "A value, var.NAME, that --var NAME=VALUE, --var-file or FLEETFALL_VAR_NAME in the environment can set.", attrs: []attribute{
		{"type", false, `type = number`, "duration, size, distribution, or one of HCL: number, string, bool, list(…), set(…), map(…), object({…}), any.", "any"},
		{"default", false, `default = 4`, "Its value when nobody sets it; without a default somebody must.", ""},
		{"description", false, `description = "Hosts in each fleet."`, "One line, for readers.", `""`},
	}, blocks: []blockType{
		{name: "validation", what: "What its value must be.", attrs: []attribute{
			{"condition", true, `condition = var.hosts > 0`, "True of every good value.", ""},
			{"error_message", true, `error_message = "There must be a host."`, "What is said of others.", ""},
		}},
	}},
}}

// faultParameters are the parameters of all faults; each fault refuses what is another's.
func faultParameters() []attribute {
	var all []attribute
	for _, f := range content.Faults() {
		for _, p := range f.Parameters {
			if !slices.ContainsFunc(all, func(a attribute) bool { return a.name == p.Name }) {
				all = append(all, attribute{name: p.Name, example: fmt.Sprintf("%s = %q", p.Name, p.Default)})
			}
		}
	}
	return all
}

func (t *blockType) attrNames() []string { return sorted(attrNames(t.attrs)) }

func attrNames(list []attribute) []string {
	var names []string
	for _, a := range list {
		names = append(names, a.name)
	}
	return names
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
	at := hcl.Range{Filename: body.EndRange.Filename, Start: body.EndRange.Start, End: body.EndRange.Start}
	if t.name == "" {
		at.Start, at.End = hcl.InitialPos, hcl.InitialPos // what a whole file lacks is said first
	}
	for _, b := range t.blocks {
		written := func(block *hclsyntax.Block) bool { return block.Type == b.name || b.madeBy(block) }
		if b.needed && !slices.ContainsFunc(body.Blocks, written) {
			l.errorf(at, "Missing "+b.name+" block",
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
