package scenarios

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

// frame is a good scenario; what is hostile comes after it.
const frame = `scenario "s" {
  deadline = "1m"
}
fleet "k" {
  architecture = "kernel"
  hosts        = 1
}
update "u" {
  at    = "1s"
  fault = "none"
}
`

// nest is before, n times, around an inner text, and after, as often.
func nest(n int, before, inner, after string) string {
	return strings.Repeat(before, n) + inner + strings.Repeat(after, n)
}

func lines(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format+"\n", i, i+1)
	}
	return b.String()
}

// hostile are scenarios that are small and would cost much; each has what is said of it.
var hostile = []struct{ name, src, want string }{
	{"loops", local(`[for a in local.r : [for b in local.r : [for c in local.r : 1]]]`), tooMuch},
	{"template loops", local(`"` + nest(4, "%{for a in local.r}", "x", "%{endfor}") + `"`), tooMuch},
	{"template loops over nothing", local(`"` + nest(4, "%{for a in local.r}", "", "%{endfor}") + `"`), tooMuch},
	{"loops over a text", local(`join("", [for a in local.r : join("", [for b in local.r : "` + strings.Repeat("x", 4<<10) + `"])])`), tooMuch},
	{"loops that keep nothing", local(`[for a in local.r : [for b in local.r : b if false] if length([for b in local.r : b if false]) > 0]`), tooMuch},
	{"loops with keys", local(`{for a in local.r : "${a}" => {for b in local.r : "${a}-${b}" => b}}`), tooMuch},
	{"grouping loops", local(`{for a in local.r : "x" => [for b in local.r : {for c in local.r : "x" => c...}]...}`), tooMuch},
	{"loops within a call", local(`length(flatten([for a in local.r : "${length([for b in local.r : "${a}${b}"])}"]))`), tooMuch},
	{"replace", local(nest(9, `replace(`, `"`+strings.Repeat("a", 64)+`"`, `, "a", "`+strings.Repeat("a", 64)+`")`)), "is longer than"},
	{"replace of nothing", local(nest(9, `replace(`, `"aaaaaaaa"`, `, "", "`+strings.Repeat("b", 64)+`")`)), "is longer than"},
	{"join", local(nest(9, `join(`, `"xxxxxxxx"`, `, local.r)`)), tooMuch},
	{"format", local(nest(9, `format("%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s", `, `"xxxxxxxx"`, `)`)), "is longer than"},
	{"format with widths", local(`[for a in local.r : format("` + strings.Repeat("%999d", 200) + `"` + strings.Repeat(", 1", 200) + `)]`), tooMuch},
	{"format with a precision", local(`format("%.9999f", 1)`), "may have 3 digits"},
	{"distinct", local(`distinct(flatten([for a in local.r : [for b in range(100) : "${a}-${b}"]]))`), tooMuch},
	{"distinct again and again", local(`[for a in local.r : distinct([for b in local.r : "${b}"])]`), tooMuch},
	{"distinct of many", local(`distinct(local.r)`), ""},
	{"choices between lists", local(`[for a in local.r : a > 0 ? [for b in local.r : b] : [for b in local.r : "${b}"]]`), tooMuch},
	{"choices between objects", local(`[for a in local.r : a > 0 ? {for b in local.r : "a${b}" => b} : {for b in local.r : "b${b}" => b}]`), ""},
	{"lists of mixed types", local(`[for a in local.r : tolist([for b in local.r : b % 2 == 0 ? b : "${b}"])]`), tooMuch},
	{"lists of objects", local(`[for a in local.r : tolist([for b in local.r : {"x${b}" = b}])]`), ""},
	{"maps of objects", local(`[for a in local.r : tomap({for b in local.r : "x${b}" => {y = b}})]`), tooMuch},
	{"the same again and again", local(`[for a in local.r : [for b in local.r : b] == [for b in local.r : b]]`), tooMuch},
	{"sorts", local(`[for a in local.r : sort([for b in local.r : "${1000 - b}"])]`), tooMuch},
	{"lookups", local(`[for a in local.r : lookup({for b in local.r : "x${b}" => b}, "x${a}", 0)]`), tooMuch},
	{"coalesce", local(`[for a in local.r : coalesce(local.r, local.r, local.r, local.r)]`), tooMuch},
	{"slices", local(`[for a in local.r : slice(local.r, 0, 1000 - a)]`), tooMuch},
	{"flatten", local(nest(20, `flatten([`, `local.r`, `, local.r])`)), ""},
	{"sets", local(`[for a in local.r : toset([for b in local.r : "${a}${b}"])]`), tooMuch},
	{"merge", local(nest(12, `merge(`, `{for a in local.r : "${a}" => a}`, `, {for a in local.r : "${a}x" => a})`)), "more than 1024"},
	{"concat", local(nest(20, `[for x in [`, `1`, `] : concat(flatten(x), flatten(x))]`)), ""},
	{"doubling lists", local(nest(20, `[for x in [`, `1`, `] : [x, x]]`)), ""},
	{"splats", local(`[for a in local.r : local.r[*]]`), tooMuch},
	{"splat of splats", local(`[for a in local.r : [for b in local.r : {x = b}][*].x]`), tooMuch},
	{"heredoc", "locals {\n  r = range(1000)\n  x = <<END\n" + nest(3, "%{for a in local.r}", "x", "%{endfor}") + "\nEND\n}\n", tooMuch},
	{"trim", local(`[for a in local.r : trim("` + strings.Repeat("é", 8<<10) + `", "` + strings.Repeat("è", 8<<10) + `")]`), tooMuch},
	{"split", local(`[for a in local.r : split("", "` + strings.Repeat("x", 16<<10) + `")]`), tooMuch},
	{"doubling texts", "locals {\n  a0 = \"" + strings.Repeat("x", 1000) + "\"\n" + doubling(60) + "}\n", "is longer than 4096"},
	{"doubling texts in one", local(nest(30, `[for x in ["`, `x`, `"] : "${x}${x}"][0]`)), ""},
	{"range", local(`range(1e30)`), "more than 1024 values"},
	{"large exponent", local(`1e999999999`), "exponent of this number"},
	{"large number in a text", local(`tonumber("1e999999999")`), "infinite"},
	{"small number in a text", local(`tostring(tonumber("1e-99999999"))`), "larger or nearer to zero"},
	{"text that is a number", local(`"1e999999999" + 0`), "infinite"},
	{"formatted number in a text", local(`format("%d", "1e999999999")`), "an integer is required"},
	{"products", local(strings.Repeat(`1e900 * `, 1000) + `1`), "Nesting too deep"},
	{"long number", local(strings.Repeat("9", 60<<10)), "larger or nearer to zero"},
	{"long fraction", local("0." + strings.Repeat("9", 60<<10)), ""},
	{"long number to parse", local(`[for a in local.r : parseint("` + strings.Repeat("9", 30<<10) + `", 10)]`), tooMuch},
	{"infinity", local(`1 / 0`), "infinite"},
	{"infinity in a text", local(`tonumber("Inf")`), "infinite"},
	{"remainder", local(`5 % 0`), "what is divided by, and zero"},
	{"parentheses", local(nest(30000, "(", "1", ")")), "Nesting too deep"},
	{"objects", local(nest(10000, "{a=", "1", "}")), "Nesting too deep"},
	{"signs", local(strings.Repeat("-", 60000) + "1"), "Nesting too deep"},
	{"negations", local(strings.Repeat("! ", 30000) + "true"), "Nesting too deep"},
	{"conditionals", local(strings.Repeat("true ? 1 : ", 5000) + "1"), "Nesting too deep"},
	{"conditionals over lines", local("(" + strings.Repeat("true\n?\n1\n:\n", 5000) + "1)"), "Nesting too deep"},
	{"sums", local(strings.Repeat("1+", 30000) + "1"), "Nesting too deep"},
	{"attributes", local("local.r" + strings.Repeat(".a", 20000)), "attribute"},
	{"template conditionals", local(`"` + nest(3000, "%{if true}", "x", "%{endif}") + `"`), "Nesting too deep"},
	{"unclosed", "locals {\n  x = " + strings.Repeat("[", 60000), "Nesting too deep"},
	{"large object", "locals {\n  x = {\n" + lines(4000, "k%d=%d") + "  }\n}\n", "more than 1024 elements"},
	{"wide object of loops", local(`{for i in range(1000) : "k${i}" => {for j in range(1000) : "k${j}" => "${i}${j}"}}`), tooMuch},
	{"fleets", `fleet "x" {
  for_each     = toset([for a in range(250) : "a${a}"])
  architecture = "kernel"
  hosts        = length([for a in range(1000) : [for b in range(10) : b]])
}
`, tooMuch},
	{"many fleets", lines(400, `fleet "f%d" {
  for_each     = toset([for a in range(250) : "a${a}"])
  architecture = "kernel"
  hosts        = %d
}`), tooMuch},
	{"dynamic blocks", strings.Repeat("dynamic \"rollout\" {\n  for_each = range(1000)\n  labels = [\"x\"]\n  content {}\n}\n", 500), tooMuch},
	{"selectors", "matrix {\n  exclude = [for a in range(300) : {fleet = \"x${a}\"}]\n}\n" + strings.Repeat("expect \"x\" {\n metric = \"crashes\"\n max = 0\n where = {fleet = \"y\"}\n}\n", 500), ""},
	{"bad references", "locals {\n" + lines(2000, "  a%d = local.b%d") + "}\n", "Too many mistakes"},
	{"mistakes in loops", local(`[for a in local.r : [for b in local.r : b.x]]`), tooMuch},
}

const tooMuch = "Too much to evaluate"

// local is a block with a list of a thousand and this expression.
func local(expr string) string { return "locals {\n  r = range(1000)\n  x = " + expr + "\n}\n" }

func doubling(n int) string {
	return strings.ReplaceAll(lines(n, "  aQ%[2]d = \"${local.aQ%[1]d}${local.aQ%[1]d}\""), "Q", "")
}

// mostAllocated bounds what a load ever allocates, in bytes, with something to spare for the race detector; far less
// is in use at a time.
const mostAllocated = 384 << 20

// allocatedBy is how many bytes were allocated while f ran.
func allocatedBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What a load allocates is bounded, whatever the source; and where it ends early it says where.
func TestHostile(t *testing.T) {
	for i, test := range hostile {
		if underRace && i%8 != 0 {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			var plan *Plan
			var diags hcl.Diagnostics
			allocated := allocatedBy(func() { plan, diags = Load(t.Context(), "x.hcl", []byte(frame+test.src), Options{}) })
			if allocated > mostAllocated {
				t.Errorf("%d MB were allocated, more than %d", allocated>>20, mostAllocated>>20)
			}
			if test.want == "" {
				return
			}
			if plan != nil || !strings.Contains(details(diags), test.want) {
				t.Errorf("plan %v, %s; want %q", plan != nil, details(diags), test.want)
			}
			for _, d := range diags {
				if d.Summary != "Too many mistakes" && (d.Subject == nil || d.Subject.Filename != "x.hcl") {
					t.Errorf("%s: no place", d.Summary)
				}
			}
		})
	}
}

// What a scenario may well do is none of what costs too much.
func TestNotHostile(t *testing.T) {
	for _, src := range []string{
		local(`distinct([for a in local.r : "${a}"])`), local(`join(", ", [for a in local.r : "h${a % 7}"])`),
		local(`toset([for a in local.r : "${a}"])`), local(`length([for a in range(100) : [for b in range(100) : a * b]])`),
		local(`substr("${join("", [for a in local.r : "%{if a > 500}x%{else}y%{endif}"])}", 0, 5)`),
		local(`sort([for a in local.r : format("%04d", a)])`), local(`merge({for a in range(500) : "a${a}" => a}, {b = 1})`),
	} {
		if plan, diags := Load(t.Context(), "x.hcl", []byte(frame+src), Options{}); plan == nil {
			t.Errorf("%s: %v", src, diags)
		}
	}
}

// A load that is interrupted ends, and says so.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	plan, diags := Load(ctx, "x.hcl", []byte(frame), Options{})
	if plan != nil || len(diags) != 1 || diags[0].Summary != "Interrupted" {
		t.Errorf("plan %v, %v", plan, diags)
	}
}

// Locals are evaluated once each, whatever their number and order: what it costs is in proportion to them.
func TestManyLocals(t *testing.T) {
	cost := func(n int, format string) int64 {
		l := newLoader(t.Context(), Options{})
		if plan, diags := l.load("x.hcl", []byte(frame+"locals {\n  a0 = 1\n"+lines(n, format)+"}\n")); plan == nil {
			t.Fatal(diags)
		}
		return maxSteps - l.budget.left
	}
	for _, format := range []string{"b%d=1#%d", "a%[2]d=local.a%[1]d"} {
		few, many := allocatedBy(func() { cost(300, format) }), allocatedBy(func() { cost(3000, format) })
		if many > 15*few {
			t.Errorf("%s: 300 locals allocate %d bytes, 3000 %d", format, few, many)
		}
		if few, many := cost(300, format), cost(3000, format); many > 10*few {
			t.Errorf("%s: 300 locals take %d steps, 3000 %d", format, few, many)
		}
	}
}
