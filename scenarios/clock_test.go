package scenarios

import (
	"strings"
	"testing"
)

// clockScenario is a scenario with this line in its scenario block.
func clockScenario(line string) []byte {
	return []byte(`
variable "clock" {
  type    = string
  default = "wall"
}
scenario "s" {
  deadline = "30m"
  ` + line + `
}
fleet "kernel" {
  architecture = "kernel"
  hosts        = 1
}
update "u" {
  at    = "1s"
  fault = "field_count"
}
`)
}

func TestClock(t *testing.T) {
	const unknownClock = `Unknown clock: There is no clock "sundial". The clocks are virtual and wall.`
	for _, test := range []struct {
		name, line string
		opts       Options
		want       string
		mistake    string // instead of a plan
	}{
		{name: "not said"},
		{name: "null", line: `clock = null`},
		{name: "virtual", line: `clock = "virtual"`, want: ClockVirtual},
		{name: "wall", line: `clock = "wall"`, want: ClockWall},
		{name: "of a variable", line: `clock = var.clock`, opts: Options{Vars: map[string]string{"clock": "virtual"}}, want: ClockVirtual},
		{name: "unknown", line: `clock = "sundial"`, mistake: unknownClock},
		{name: "misspelt", line: `clock = "vitual"`, mistake: `There is no clock "vitual". Did you mean "virtual"? The clocks are virtual and wall.`},
		{name: "wrong type", line: `clock = ["wall"]`, mistake: `"clock" must be text, not a tuple.`},
		{name: "from outside", opts: Options{Clock: ClockVirtual}, want: ClockVirtual},
		{name: "from outside, over the scenario's", line: `clock = "virtual"`, opts: Options{Clock: ClockWall}, want: ClockWall},
		{name: "from outside, unknown", line: `clock = "virtual"`, opts: Options{Clock: "sundial"}, mistake: unknownClock},
		{name: "from outside, over a mistake", line: `clock = "sundial"`, opts: Options{Clock: ClockWall}, mistake: unknownClock},
	} {
		t.Run(test.name, func(t *testing.T) {
			plan, diags := Load(t.Context(), "s.hcl", clockScenario(test.line), test.opts)
			switch {
			case test.mistake != "":
				if plan != nil || len(diags) != 1 || !strings.Contains(details(diags), test.mistake) {
					t.Errorf("plan %v, diagnostics %v; want only %q", plan, diags, test.mistake)
				}
			case plan == nil:
				t.Error(diags)
			case plan.Clock != test.want:
				t.Errorf("clock %q, want %q", plan.Clock, test.want)
			}
		})
	}
}

// A scenario without a scenario block has more to mend than its clock, and is told all at once.
func TestClockIsCheckedWithoutAScenarioBlock(t *testing.T) {
	if _, diags := Load(t.Context(), "s.hcl", nil, Options{Clock: "sundial"}); !strings.Contains(details(diags), `There is no clock "sundial"`) {
		t.Errorf("diagnostics %v", diags)
	}
}

// What was run must run again the same way, and a clock that was left to a variable stays open to it.
func TestResolvedClock(t *testing.T) {
	for _, test := range []struct {
		name, line string
		opts       Options
		want       string // how the clock stands in the resolved source
	}{
		{"not said", ``, Options{}, ``},
		{"as written", `clock = "virtual"`, Options{}, `"virtual"`},
		{"added", ``, Options{Clock: ClockVirtual}, `"virtual"`},
		{"replaced", `clock = "virtual"`, Options{Clock: ClockWall}, `"wall"`},
		{"of a variable", `clock = var.clock`, Options{Vars: map[string]string{"clock": "virtual"}}, `var.clock`},
		{"in a variable's place", `clock = var.clock`, Options{Clock: ClockVirtual}, `"virtual"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			plan, diags := Load(t.Context(), "s.hcl", clockScenario(test.line), test.opts)
			if plan == nil {
				t.Fatal(diags)
			}
			resolved := Resolved(plan)
			again, diags := Load(t.Context(), "s.hcl", resolved, Options{})
			if again == nil {
				t.Fatalf("%v in\n%s", diags, resolved)
			}
			if again.Clock != plan.Clock {
				t.Errorf("the resolved source gives the clock %q, the plan has %q", again.Clock, plan.Clock)
			}
			if got := clockWritten(resolved); got != test.want {
				t.Errorf("the resolved source says clock = %s, want %s", got, test.want)
			}
		})
	}
}

// clockWritten is the expression of the one attribute clock in a source, "" without one.
func clockWritten(src []byte) string {
	for line := range strings.Lines(string(src)) {
		if name, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(name) == "clock" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
