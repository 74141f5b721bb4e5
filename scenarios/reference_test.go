package scenarios

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// written is a scenario with one block of each type, given as its attributes' lines; what more there is of it stays
// out.
type written map[string]map[string]string

func minimal() written {
	return written{
		"expect":   {"metric": `metric = "crashes"`, "max": "max = 1"},
		"fleet":    {"architecture": `architecture = "kernel"`, "hosts": "hosts = 1"},
		"recovery": {"strategy": `strategy = "safe_mode"`, "hands_on": `hands_on = "4m"`},
		"scenario": {"deadline": `deadline = "2h"`},
		"update":   {"at": `at = "30s"`, "fault": `fault = "field_count"`},
		"variable": {"default": "default = 4"},
	}
}

// source has beside the blocks what examples speak of: a fleet "user", a recovery "technicians" and a variable "hosts".
func (w written) source() string {
	labels := map[string]string{"recovery": `"technicians"`, "variable": `"hosts"`, "validation": "", "guest": "", "matrix": ""}
	var b strings.Builder
	b.WriteString("fleet \"user\" {\n architecture = \"user\"\n hosts = 1\n}\n")
	for _, name := range slices.Sorted(maps.Keys(w)) {
		label, special := labels[name]
		if !special {
			label = `"x"`
		}
		b.WriteString(name + " " + label + " {\n")
		for _, attr := range slices.Sorted(maps.Keys(w[name])) {
			b.WriteString(" " + w[name][attr] + "\n")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// with is the minimal scenario with one line more, or in the place of the attribute's own.
func with(t *testing.T, block, attr, line string) *Plan {
	t.Helper()
	w := minimal()
	switch {
	case block == "validation":
		condition, message := language.block("variable").block(block).attr("condition"), language.block("variable").block(block).attr("error_message")
		w["variable"]["validation"] = "validation {\n" + condition.example + "\n" + message.example + "\n}"
	case block == "way" && line != "":
		params := map[string]string{"hands_on": `hands_on = "4m"`, attr: line}
		w["recovery"] = map[string]string{"way": "way \"safe_mode\" {\n" + strings.Join(slices.Sorted(maps.Values(params)), "\n") + "\n}"}
	case line != "":
		if w[block] == nil {
			w[block] = map[string]string{}
		}
		w[block][attr] = line
	}
	plan, diags := Load(t.Context(), "x.hcl", []byte(w.source()), Options{})
	if len(diags) > 0 {
		t.Fatalf("%s of %s: %v\n%s", line, block, diags, w.source())
	}
	plan.Source = ""
	return plan
}

// Everything that the reference lists has a sentence, an example that is valid, and the default that is said.
func TestReference(t *testing.T) {
	plain := with(t, "", "", "")
	var check func(*blockType)
	check = func(b *blockType) {
		if !strings.HasSuffix(b.what, ".") {
			t.Errorf("block %s: %q is no sentence", b.name, b.what)
		}
		for _, a := range b.attrs {
			if b.name == "fault" {
				continue // parameters: content.Faults tells of them
			}
			if !strings.HasSuffix(a.what, ".") {
				t.Errorf("%s of %s: %q is no sentence", a.name, b.name, a.what)
			}
			with(t, b.name, a.name, a.example)
			if a.fallback == "" {
				continue
			}
			if diff := cmp.Diff(plain, with(t, b.name, a.name, a.name+" = "+a.fallback)); diff != "" {
				t.Errorf("%s = %s of %s is not the default (-without +with):\n%s", a.name, a.fallback, b.name, diff)
			}
		}
		for i := range b.blocks {
			check(&b.blocks[i])
		}
	}
	for i := range language.blocks {
		check(&language.blocks[i])
	}
	var out strings.Builder
	if err := Reference(&out); err != nil || !strings.Contains(out.String(), `  beat = "1s"`) {
		t.Errorf("%v:\n%s", err, out.String())
	}
}

// The part of the reference that is no table: a dynamic block as it is told there.
func TestReferenceOfDynamic(t *testing.T) {
	plan, diags := Load(t.Context(), "x.hcl", []byte((written{"scenario": minimal()["scenario"], "update": minimal()["update"]}).source()+`
dynamic "fleet" {
  for_each = ["safe", "ebpf"]
  labels   = ["a-${element.value}"]
  iterator = element
  content {
    architecture = element.value
    hosts        = 1 + element.key
  }
}
`), Options{})
	if len(diags) > 0 || plan.Cells[2].Fleet.Name != "a-ebpf" || plan.Cells[2].Fleet.Hosts != 2 {
		t.Errorf("%v, %+v", diags, plan)
	}
}
