package scenarios

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/fleetfall/fleetfall/internal/printable"
)

var unknown = cty.DynamicVal // stands for what was reported already; readers pass over it in silence

// Options are what a load gets besides the scenario itself.
type Options struct {
	Vars     map[string]string // values of variables by name, from --var; they win over all others
	VarFiles []string          // paths of files of name = value; a later one wins over an earlier one
	Environ  []string          // as os.Environ: FLEETFALL_VAR_name=value; VarFiles win over it
	Clock    string            // ClockVirtual or ClockWall, from --clock: wins over the scenario's; empty says nothing
	Images   []string          // names of the images there are recipes for; nil leaves it to who runs the plan to know them
	Backends []Backend         // that a scenario can name; nil leaves it to who runs the plan to know them, and their limits

	// Files, when not nil, is given every source that was read, by the name that ranges call it: what Render needs.
	Files map[string]*hcl.File
}

// Load reads a scenario's source and resolves it. The plan is nil exactly when the diagnostics hold an error; they may
// hold warnings besides. filename is what ranges call the source. When ctx is done, the load ends with an error soon.
func Load(ctx context.Context, filename string, src []byte, opts Options) (plan *Plan, diags hcl.Diagnostics) {
	l := newLoader(ctx, opts)
	defer func() {
		switch why := recover().(type) {
		case nil:
		case *stopped:
			plan, diags = nil, l.stopped(why)
		default:
			panic(why)
		}
	}()
	return l.load(filename, src)
}

func (l *loader) load(filename string, src []byte) (*Plan, hcl.Diagnostics) {
	body := l.parse(filename, src)
	if body == nil {
		return nil, l.report()
	}
	l.checkBody(&language, body, body.SrcRange)
	l.evaluate(body)
	plan := l.decode(l.expand(body), body.EndRange).expand(l)
	if plan == nil {
		return nil, l.report()
	}
	plan.Source, plan.SourceName = string(src), filename
	return plan, l.report()
}

// expand is the body with its dynamic blocks carried out, once it is asked for.
func (l *loader) expand(body *hclsyntax.Body) hcl.Body {
	perBlock := func(v cty.Value, each hcl.Expression, _ *hcl.EvalContext) hcl.Diagnostics {
		if v.IsKnown() && !v.IsNull() && v.CanIterateElements() {
			l.budget.at = each.Range()
			l.budget.charge(int64(v.LengthInt()) * stepsOfBlock)
		}
		return nil
	}
	return dynblock.Expand(body, l.ctx, dynblock.OptCheckForEach(perBlock))
}

// LoadFile is Load for the file at this path or, when name has neither a slash nor the ending .hcl, for the library's
// scenario of this name.
func LoadFile(ctx context.Context, name string, opts Options) (*Plan, hcl.Diagnostics) {
	filename, src, err := readSource(name)
	if err != nil {
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Scenario not found", Detail: sentence(err)}}
	}
	return Load(ctx, filename, src, opts)
}

// Render writes diagnostics for people, each with the source that it speaks of. files is what Options.Files collected;
// text is wrapped at width columns, or not at all when it is 0.
func Render(w io.Writer, diags hcl.Diagnostics, files map[string]*hcl.File, width int, color bool) error {
	shown := map[string]*hcl.File{}
	for name, file := range files {
		shown[printable.Line(name)] = file
	}
	out := hcl.NewDiagnosticTextWriter(w, shown, uint(max(width, 0)), color)
	if err := out.WriteDiagnostics(printed(diags)); err != nil {
		return fmt.Errorf("write diagnostics: %w", err)
	}
	return nil
}

// printed are diagnostics without what could drive a terminal: names of files and variables are whatever somebody has
// chosen.
func printed(diags hcl.Diagnostics) hcl.Diagnostics {
	var all hcl.Diagnostics
	for _, d := range diags {
		d := *d
		d.Summary, d.Detail = printable.Text(d.Summary), printable.Text(d.Detail)
		for _, at := range []**hcl.Range{&d.Subject, &d.Context} {
			if *at != nil {
				r := **at
				r.Filename = printable.Line(r.Filename)
				*at = &r
			}
		}
		all = append(all, &d)
	}
	return all
}

// A loader is one load: what is known so far and what was found wrong.
type loader struct {
	opts       Options
	diags      hcl.Diagnostics
	ctx        *hcl.EvalContext
	budget     *budget
	variables  map[string]hcl.Range // declared, by name
	locals     map[string]hcl.Range // declared, by name
	undeclared map[string][]string  // used but not declared, by "var" and "local"
	settings   []Setting

	dropped bool // blocks at the file's top were taken out, since they could not be read
}

func newLoader(ctx context.Context, opts Options) *loader {
	b := &budget{ctx: ctx, left: maxSteps}
	return &loader{
		opts:       opts,
		ctx:        &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: b.countCalls(functions())},
		budget:     b,
		variables:  map[string]hcl.Range{},
		locals:     map[string]hcl.Range{},
		undeclared: map[string][]string{},
	}
}

func (l *loader) errorf(subject hcl.Range, summary, format string, args ...any) {
	l.budget.at = subject
	l.budget.charge(stepsOfFault)
	l.diags = append(l.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &subject,
	})
}

func (l *loader) warnf(subject hcl.Range, summary, format string, args ...any) {
	l.errorf(subject, summary, format, args...)
	l.diags[len(l.diags)-1].Severity = hcl.DiagWarning
}

// stopped is what was found until the load stopped, and why it did.
func (l *loader) stopped(why *stopped) hcl.Diagnostics {
	l.diags = append(l.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: why.summary, Detail: why.detail, Subject: &why.at,
	})
	return l.report()
}

func (l *loader) append(diags hcl.Diagnostics) { l.diags = append(l.diags, diags...) }

// isHidden tells whether a character of a source would do something else on a terminal than be seen.
func isHidden(r rune) bool {
	return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) || unicode.Is(unicode.Bidi_Control, r)
}

// show makes known to Render what ranges call origin, made printable: it is not looked at any further.
func (l *loader) show(origin, text string) {
	if l.opts.Files != nil {
		l.opts.Files[origin] = &hcl.File{Bytes: []byte(printable.Line(shorten(text)))}
	}
}

// keep makes a source known to Render, unless it is no plain text: then it reports so and returns false. What is shown
// on a terminal must not be able to drive it, and what is no UTF-8 takes the renderer very long.
func (l *loader) keep(filename string, src []byte) bool {
	pos := hcl.InitialPos
	for rest := src; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 || isHidden(r) {
			end := hcl.Pos{Line: pos.Line, Column: pos.Column + 1, Byte: pos.Byte + size}
			l.errorf(hcl.Range{Filename: filename, Start: pos, End: end}, "Not plain text",
				"The character in column %d, %#x, is no text; write UTF-8 without control "+
					"characters.", pos.Column, rest[:size])
			return false
		}
		pos.Column++
		if r == '\n' {
			pos.Line, pos.Column = pos.Line+1, 1
		}
		pos.Byte += size
		rest = rest[size:]
	}
	if l.opts.Files != nil {
		l.opts.Files[filename] = &hcl.File{Bytes: src}
	}
	return true
}

// parse returns nil when there is nothing to go on with.
func (l *loader) parse(filename string, src []byte) *hclsyntax.Body {
	if len(src) > maxSource {
		start := hcl.Range{Filename: filename, Start: hcl.InitialPos, End: hcl.InitialPos}
		l.errorf(start, "File too long", "A file may have %s; this one has %d bytes.", sizeText(maxSource), len(src))
		return nil
	}
	if !l.keep(filename, src) || !l.checkTokens(filename, src) {
		return nil
	}
	file, diags := hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
	l.syntax(src, diags)
	// After a syntax error the parser has guessed how to go on; what would be found in its guess is noise.
	if diags.HasErrors() || file == nil {
		return nil
	}
	if l.opts.Files != nil {
		l.opts.Files[filename] = file // with what it takes to say in which block a range lies
	}
	parsed := file.Body.(*hclsyntax.Body)
	if !l.counts(l.budget.countBody(parsed)) {
		return nil
	}
	return parsed
}

// syntax reports what the parser says. One mistake of syntax often brings others along, and a text in another language
// has one a line: of many the first few are enough.
func (l *loader) syntax(src []byte, diags hcl.Diagnostics) {
	switch n := len(diags); {
	case n > 0 && !looksLikeHCL(src):
		l.append(diags[:1])
		l.errorf(*diags[0].Subject, "No scenario",
			"This does not look like HCL, in which scenarios are written: no line begins a block of a scenario or sets "+
				"anything. `fleetfall language` tells what can be written.")
	case n > maxSyntaxErrors:
		l.append(diags[:maxSyntaxErrors])
		l.errorf(*diags[maxSyntaxErrors].Subject, "More mistakes of syntax",
			"There are %d more from here on, some of which may come of those above: mend these first.", n-maxSyntaxErrors)
	default:
		l.append(diags)
	}
}

// looksLikeHCL tells whether a line begins as a block of a scenario does, or as an attribute.
func looksLikeHCL(src []byte) bool {
	blocks := append(language.blockNames(), "dynamic")
	return regexp.MustCompile(`(?m)^\s*(?:(?:` + strings.Join(blocks, "|") + `)\s*["{]|[\w-]+\s*=)`).Match(src)
}

// counts reports syntax that cannot be counted.
func (l *loader) counts(err error) bool {
	if deep := (*depthError)(nil); errors.As(err, &deep) {
		l.errorf(deep.at, "Nesting too deep",
			"Expressions may be nested %d deep. Name parts of this one as locals.", maxDepth)
	}
	return err == nil
}

// checkTokens refuses what would cost the parser or the evaluator more than a scenario is worth: it recurses into
// brackets, and spells numbers out.
func (l *loader) checkTokens(filename string, src []byte) bool {
	tokens, _ := hclsyntax.LexConfig(src, filename, hcl.InitialPos) // ParseConfig reports what is wrong with them
	depth, signs := 0, 0
	for i, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp,
			hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd:
			depth--
		case hclsyntax.TokenNumberLit:
			_, exponent, _ := strings.Cut(strings.ToLower(string(t.Bytes)), "e")
			if len(strings.TrimLeft(exponent, "+-0")) > maxExponent {
				l.errorf(t.Range, "Number out of range",
					"The exponent of this number has more than %d digits.", maxExponent)
				return false
			}
		}
		switch {
		case t.Type != hclsyntax.TokenBang && t.Type != hclsyntax.TokenMinus:
			signs = 0
		default:
			signs++
		}
		depth += directive(tokens[:i+1])
		if depth > maxNesting || signs > maxNesting {
			l.errorf(t.Range, "Nesting too deep",
				"Brackets, the parts of a template and signs may be nested %d deep. Name parts of the expression as locals.",
				maxNesting)
			return false
		}
	}
	return true
}

// directive is how much deeper the last token, if it is the first of a template's directive, makes what comes after it.
func directive(tokens hclsyntax.Tokens) int {
	if n := len(tokens); n > 1 && tokens[n-2].Type == hclsyntax.TokenTemplateControl {
		switch string(tokens[n-1].Bytes) {
		case "if", "for":
			return 1
		case "endif", "endfor":
			return -1
		}
	}
	return 0
}

// report is what was found, each thing once, in the order of the sources.
func (l *loader) report() hcl.Diagnostics {
	key := func(d *hcl.Diagnostic) hcl.Range {
		if d.Subject == nil {
			return hcl.Range{}
		}
		return *d.Subject
	}
	slices.SortStableFunc(l.diags, func(a, b *hcl.Diagnostic) int {
		x, y := key(a), key(b)
		return cmp.Or(cmp.Compare(x.Filename, y.Filename), cmp.Compare(x.Start.Byte, y.Start.Byte),
			cmp.Compare(x.End.Byte, y.End.Byte), cmp.Compare(a.Summary, b.Summary), cmp.Compare(a.Detail, b.Detail))
	})
	diags := slices.CompactFunc(l.diags, func(a, b *hcl.Diagnostic) bool {
		return key(a) == key(b) && a.Summary == b.Summary && a.Detail == b.Detail
	})
	if more := len(diags) - maxDiagnostics; more > 0 {
		// An error must survive the cut: a plan that is nil without one would be a riddle.
		slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int { return cmp.Compare(a.Severity, b.Severity) })
		diags = append(diags[:maxDiagnostics:maxDiagnostics], &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Too many mistakes",
			Detail: fmt.Sprintf("There are %d more; mend these first.", more),
		})
	}
	return diags
}

// sentence is an error as the detail of a diagnostic.
func sentence(err error) string {
	text := capital(err.Error())
	if strings.HasSuffix(text, "?") || strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}
