package scenarios

import (
	"fmt"
	"strings"
	"testing"
)

func onBackend(name string, hosts int) []byte {
	return fmt.Appendf(nil, `
scenario "s" {
  deadline = "30m"
  backend  = %q
}
fleet "bpf" {
  architecture = "ebpf"
  hosts        = %d
}
update "u" {
  at    = "1s"
  fault = "field_count"
}
`, name, hosts)
}

// Where nobody says which backends there are, the language alone bounds a scenario: whoever runs the plan knows them.
func TestBackendsThatNobodyKnows(t *testing.T) {
	plan, diags := Load(t.Context(), "s.hcl", onBackend("sea-of-hosts", maxFleet), Options{})
	if plan == nil || plan.Backend != "sea-of-hosts" {
		t.Fatal(diags)
	}
	plan.Repeat = 1
	plan.Cells = plan.Cells[:1]
	if err := plan.Check(); err != nil {
		t.Errorf("such a plan in a journal: %v", err)
	}
	plan.Cells[0].Fleet.Hosts++
	if err := plan.Check(); err == nil || !strings.Contains(err.Error(), "has 10000001 hosts") {
		t.Errorf("one host more than the language has: %v", err)
	}
	if plan, diags := Load(t.Context(), "s.hcl", onBackend("../x", 1), Options{}); plan != nil || !strings.Contains(details(diags), "is no name") {
		t.Errorf("a name that is none: %v", diags)
	}
}

func TestNoBackendCan(t *testing.T) {
	_, diags := Load(t.Context(), "s.hcl", onBackend("paper", 1), Options{Backends: []Backend{paper}})
	want := `The backend "paper" cannot run hosts of the architecture "ebpf". No backend here can: change "architecture".`
	if len(diags) != 1 || diags[0].Detail != want || diags[0].Subject.Start.Line != 7 {
		t.Errorf("%v, want %s", diags, want)
	}
}
