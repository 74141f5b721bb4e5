package scenarios

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"github.com/fleetfall/fleetfall/internal/daemonuri"
)

// checkLoad holds what must be true of every load.
func checkLoad(t *testing.T, src []byte, opts Options) {
	t.Helper()
	opts.Files = map[string]*hcl.File{}
	plan, diags := Load(t.Context(), "x.hcl", src, opts)
	if (plan == nil) != diags.HasErrors() {
		t.Fatalf("plan is nil: %t, diagnostics: %v", plan == nil, diags)
	}
	if len(diags) > maxDiagnostics+1 {
		t.Errorf("%d diagnostics", len(diags))
	}
	for _, d := range diags {
		if d.Summary == "" || d.Detail == "" || d.Subject == nil && d.Summary != "Too many mistakes" {
			t.Errorf("a diagnostic without a summary, detail or place: %+v", d)
		}
	}
	var text bytes.Buffer
	if err := Render(&text, diags, opts.Files, 80, true); err != nil {
		t.Errorf("render: %v", err)
	}
	if plan == nil {
		return
	}
	control, seen := 0, map[string]bool{}
	for _, c := range plan.Cells {
		if seen[c.ID] {
			t.Errorf("cell %s twice", c.ID)
		}
		seen[c.ID] = true
		for _, name := range []string{c.Fleet.Name, c.Update.Name, c.Rollout, c.Recovery.Name} {
			if !validName(name) {
				t.Errorf("cell %q has the name %q", c.ID, name)
			}
		}
		if c.Fleet.Control {
			control++
			if c.Update.Fault != harmless {
				t.Errorf("control cell %s has the fault %q", c.ID, c.Update.Fault)
			}
		}
		if err := c.Recovery.HandsOn.Validate(); err != nil {
			t.Errorf("cell %s: %v", c.ID, err)
		}
		if !slices.Contains(boots, c.Fleet.Boot) {
			t.Errorf("cell %s boots %q", c.ID, c.Fleet.Boot)
		}
	}
	if plan.Clock != "" && !slices.Contains(clocks, plan.Clock) {
		t.Errorf("the plan has the clock %q", plan.Clock)
	}
	checkNodes(t, plan.Nodes)
	if control == 0 || control == len(plan.Cells) {
		t.Errorf("%d of %d cells are control", control, len(plan.Cells))
	}
	if e := plan.Estimate(EmulatedVMs()); e.Duration <= 0 || e.Memory <= 0 {
		t.Errorf("estimate %+v", e)
	}
	data, err := json.Marshal(plan)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	var back Plan
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatalf("unmarshal: %v", err)
	}
	if diff := cmp.Diff(plan.Cells, back.Cells); diff != "" {
		t.Errorf("cells change through JSON: %s", diff)
	}
}

// checkNodes holds what must be true of every plan's nodes.
func checkNodes(t *testing.T, nodes []Node) {
	t.Helper()
	names, daemons := map[string]bool{}, map[string]bool{}
	for _, n := range nodes {
		uri, err := daemonuri.Parse(n.URI)
		daemon := uri.Daemon()
		if err != nil || !validName(n.Name) || !strings.HasPrefix(n.At, "x.hcl:") {
			t.Errorf("node %+v: %v", n, err)
		}
		if names[n.Name] || daemons[daemon] {
			t.Errorf("node %+v is there twice", n)
		}
		names[n.Name], daemons[daemon] = true, true
	}
}

func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"*.hcl", "testdata/*/*.hcl"} {
		for _, path := range testdata(f, pattern) {
			src, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	for i, h := range hostile {
		if underRace && i%8 != 0 {
			continue
		}
		if h.want != tooMuch { // which take a second each; TestHostile has them
			f.Add([]byte(frame + h.src))
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if allocated := allocatedBy(func() { checkLoad(t, src, Options{}) }); allocated > 3*mostAllocated {
			t.Errorf("%d MB were allocated", allocated>>20) // loaded, rendered, and written as JSON
		}
	})
}

// A value from outside is parsed too.
func FuzzVariable(f *testing.F) {
	for _, seed := range []string{
		"", "4", "96MiB", `lognormal("4m", 0.5)`, `[1, "a", {b = null}]`, `format("%s", "x")`, "${1}", "null", `[for a in [1]: a]`, "1e999", "Inf", "-1e-999999999",
		"fixed(", `{distribution = "fixed", a = "1s", b = "0s", p = 0}`, "true ? 1 : 2", "-", "<<EOT\nx\nEOT\n",
	} {
		f.Add(seed)
	}
	const src = `
variable "any" {
  type    = any
  default = null
}
variable "text" {
  type = string
}
variable "pace" {
  type = distribution
}
variable "span" {
  type = duration
}
variable "memory" {
  type = size
}
variable "list" {
  type = list(string)
}
scenario "s" {
  deadline    = var.span
  description = var.text
  seed        = var.any
  clock       = var.text
}
fleet "f" {
  for_each     = var.list
  architecture = each.value
  hosts        = var.any
  memory       = var.memory
  mitigations  = var.any
  control      = var.any
  boot         = var.text
  waves        = var.any
}
update "u" {
  at    = var.span
  fault "field_count" {
    criterion = var.text
  }
}
host "n" {
  uri = var.text
}
recovery "r" {
  hands_on    = var.pace
  technicians = var.any
}
matrix {
  exclude = var.any
}
expect "e" {
  where  = var.any
  metric = "blast_radius"
  max    = var.any
}
`
	f.Fuzz(func(t *testing.T, value string) {
		vars := map[string]string{}
		for _, name := range []string{"any", "text", "pace", "span", "memory", "list"} {
			vars[name] = value
		}
		checkLoad(t, []byte(src), Options{Vars: vars})
		checkLoad(t, []byte(src), Options{Environ: []string{"FLEETFALL_VAR_any=" + value, "FLEETFALL_VAR_" + value}})
	})
}

// Inputs that would take a recursive parser or an eager evaluator down.
func TestHostileSources(t *testing.T) {
	wrap := func(expr string) string { return "locals {\n x = " + expr + "\n}\n" }
	fill := func(s string) string { return strings.Repeat(s, (maxSource-64)/len(s)) }
	for name, src := range map[string]string{
		"minus signs":   wrap(fill("-") + "1"),
		"negations":     wrap(fill("!") + "true"),
		"conditionals":  wrap(fill("true?1:") + "2"),
		"open ifs":      wrap(`"` + strings.Repeat("%{if true}", 1000) + `"`),
		"brackets":      wrap(fill("[")),
		"braces":        fill("a {\n"),
		"templates":     wrap(fill(`"${`)),
		"calls":         wrap(fill("abs(")),
		"sums":          wrap(fill("1+") + "1"),
		"splats":        wrap("[[1]]" + fill("[*]")),
		"attributes":    wrap("a" + fill(".a")),
		"big numbers":   wrap("1e999" + fill("*1e999")),
		"big text":      wrap(`"${1e9999999999}"`),
		"for loops":     wrap(strings.Repeat("[for a in range(1000): ", 8) + "1" + strings.Repeat("]", 8)),
		"doubling":      "locals {\n a0 = \"0123456789\"\n" + doublings(40) + "}\n",
		"nul bytes":     fill("\x00"),
		"invalid utf-8": fill("\xff"),
		"heredoc":       wrap("<<A\n" + strings.Repeat("x\n", 8000)),
		"many blocks":   strings.Repeat("fleet \"a\" {}\n", 500),
		"many locals":   "locals {\n" + strings.Repeat("a=1\n", 500),
	} {
		t.Run(name, func(t *testing.T) { checkLoad(t, []byte(src), Options{}) })
	}
}

// doublings are n locals, each twice as long as the one before.
func doublings(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d = \"${local.a%d}${local.a%d}\"\n", i+1, i, i)
	}
	return b.String()
}
