package scenarios

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a golden file.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with -update to make it", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update accepts it):\n%s", path, diff)
	}
}

// options reads the options that a test scenario asks for in its first lines: "# --var a=b", "# --var-file path",
// "# --clock name", "# --image name", "# --backend paper" and "# --env NAME=value".
func options(src []byte) Options {
	opts := Options{Vars: map[string]string{}, Files: map[string]*hcl.File{}, Backends: []Backend{{Name: "libvirt", MaxHosts: 500}}}
	for line := range strings.Lines(string(src)) {
		flag, value, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "#")), " ")
		switch {
		case !ok || !strings.HasPrefix(line, "# --"):
			return opts
		case flag == "--var":
			name, text, _ := strings.Cut(value, "=")
			opts.Vars[name] = text
		case flag == "--var-file":
			opts.VarFiles = append(opts.VarFiles, value)
		case flag == "--clock":
			opts.Clock = value
		case flag == "--image":
			opts.Images = append(opts.Images, value)
		case flag == "--backend" && value == paper.Name:
			opts.Backends = append(opts.Backends, paper)
		case flag == "--env":
			opts.Environ = append(opts.Environ, value)
		}
	}
	return opts
}

// paper is a backend that can do little.
var paper = Backend{Name: "paper", MaxHosts: 3, Lacks: func(p Part) (lacks []Lack) {
	switch p := p.(type) {
	case *Plan:
		if p.Clock == ClockVirtual {
			lacks = append(lacks, Lack{"clock", "keep the virtual clock"})
		}
	case Node:
		lacks = append(lacks, Lack{"", "put hosts on machines that host blocks name"})
	case Fleet:
		if p.Architecture == "ebpf" {
			lacks = append(lacks, Lack{"architecture", `run hosts of the architecture "ebpf"`})
		}
		if p.CrashDump {
			lacks = append(lacks, Lack{"crash_dump", "keep a host's memory at its first panic"})
		}
	case Recovery:
		if p.Strategy == safeMode {
			lacks = append(lacks, Lack{"", `boot a host into the mode "safe"`}, Lack{"", `carry out the action "tell"`})
		}
	}
	return lacks
}}

func load(t *testing.T, path string) (*Plan, string) {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	opts := options(src)
	plan, diags := Load(t.Context(), path, src, opts)
	if (plan == nil) != diags.HasErrors() {
		t.Errorf("plan is nil: %t, but the diagnostics have errors: %t", plan == nil, diags.HasErrors())
	}
	var text bytes.Buffer
	if err := Render(&text, diags, opts.Files, 0, false); err != nil {
		t.Fatal(err)
	}
	return plan, text.String()
}

func testdata(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	return paths
}

func TestPlans(t *testing.T) {
	for _, path := range append(testdata(t, "testdata/plans/*.hcl"), testdata(t, "*.hcl")...) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			plan, diags := load(t, path)
			if diags != "" {
				t.Fatalf("diagnostics:\n%s", diags)
			}
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if plan.Source != string(src) || plan.SourceName != path {
				t.Errorf("the plan holds another source than %s", path)
			}
			bare := *plan
			bare.Source = "" // it would hide the rest
			got, err := json.MarshalIndent(bare, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(filepath.Base(path), ".hcl")
			golden(t, filepath.Join("testdata/plans", name+".json"), append(got, '\n'))

			var back Plan
			if err := json.Unmarshal(got, &back); err != nil {
				t.Fatalf("read the plan back: %v", err)
			}
			again, diagnostics := Load(t.Context(), path, Resolved(plan), Options{})
			if again == nil {
				t.Fatalf("the resolved source does not load: %v", diagnostics)
			}
			if diff := cmp.Diff(plan.Cells, again.Cells); diff != "" {
				t.Errorf("the resolved source gives other cells (-plan +resolved):\n%s", diff)
			}
			if again.Clock != plan.Clock {
				t.Errorf("the resolved source gives the clock %q, the plan has %q", again.Clock, plan.Clock)
			}
			if diff := cmp.Diff(plan.Nodes, again.Nodes, cmpopts.IgnoreFields(Node{}, "At")); diff != "" {
				t.Errorf("the resolved source gives other hosts (-plan +resolved):\n%s", diff)
			}
			if diff := cmp.Diff(bare, back); diff != "" {
				t.Errorf("the plan changes on its way through JSON (-before +after):\n%s", diff)
			}
		})
	}
}

// The matrix has a row for each architecture, and a column for each fault.
func TestMatrixIsWhole(t *testing.T) {
	plan, diags := LoadFile(t.Context(), "matrix", Options{})
	if plan == nil {
		t.Fatal(diags)
	}
	for _, name := range architectures {
		if !slices.ContainsFunc(plan.Cells, func(c Cell) bool { return c.Fleet.Architecture == name }) {
			t.Errorf("matrix.hcl has no fleet with the architecture %s", name)
		}
	}
	for _, fault := range faultNames() {
		if !slices.ContainsFunc(plan.Cells, func(c Cell) bool { return c.Fleet.Name == "kernel" && c.Update.Fault == fault }) {
			t.Errorf("matrix.hcl has no update with the fault %s", fault)
		}
	}
}

func TestMistakes(t *testing.T) {
	for _, path := range testdata(t, "testdata/mistakes/*.hcl") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			plan, diags := load(t, path)
			if plan != nil {
				t.Errorf("a plan came of it: %d cells", len(plan.Cells))
			}
			golden(t, strings.TrimSuffix(path, ".hcl")+".txt", []byte(diags))
		})
	}
}

// Two loads of one source must be the same to the byte: maps must not decide an order.
func TestLoadIsDeterministic(t *testing.T) {
	for _, path := range append(testdata(t, "testdata/*/*.hcl"), testdata(t, "*.hcl")...) {
		var first string
		for i := range 3 {
			plan, diags := load(t, path)
			text, err := json.Marshal(plan)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(text) + diags; i == 0 {
				first = got
			} else if got != first {
				t.Errorf("%s: load %d differs from the first", path, i+1)
			}
		}
	}
}

func TestLoadFile(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	tests := []struct{ name, file, want string }{
		{"channel-file-291", "", ""},
		{"chanel-file-291", "", `Did you mean "channel-file-291"?`},
		{"missing.hcl", "", "Cannot read missing.hcl: no such file or directory."},
		{"./missing", "", "Cannot read ./missing: no such file or directory."},
		{"empty.hcl", "\n", "Missing scenario block"},
		{"long.hcl", strings.Repeat("#", maxSource+1), "File too long"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.file != "" {
				if err := os.WriteFile(test.name, []byte(test.file), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			plan, diags := LoadFile(t.Context(), test.name, Options{})
			if test.want == "" {
				if plan == nil || len(diags) != 0 {
					t.Fatalf("plan %v, diagnostics %v", plan, diags)
				}
				return
			}
			if plan != nil || !strings.Contains(details(diags), test.want) {
				t.Errorf("plan %v, diagnostics %v; want %q", plan, diags, test.want)
			}
		})
	}
}

func TestRenderWrapsAndColours(t *testing.T) {
	opts := Options{Files: map[string]*hcl.File{}}
	_, diags := Load(t.Context(), "x.hcl", []byte("scenario \"s\" {\n  deadlin = \"1m\"\n}\n"), opts)
	var narrow bytes.Buffer
	if err := Render(&narrow, diags, opts.Files, 40, true); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(narrow.String()) {
		if plain := strings.NewReplacer("\x1b[31m", "", "\x1b[0m", "", "\x1b[1;4m", "").Replace(line); len(plain) > 60 {
			t.Errorf("line of %d columns at a width of 40: %q", len(plain), plain)
		}
	}
	if !strings.Contains(narrow.String(), "\x1b[31mError") {
		t.Errorf("no colour in %q", narrow.String())
	}
	if err := Render(&narrow, diags, nil, -1, false); err != nil {
		t.Errorf("without files: %v", err)
	}
}

func TestLibrary(t *testing.T) {
	names := Library()
	if len(names) == 0 {
		t.Fatal("the library is empty")
	}
	for _, name := range names {
		plan, diags := LoadFile(t.Context(), name, Options{})
		if len(diags) != 0 {
			t.Errorf("%s: %v", name, diags)
			continue
		}
		if plan.Scenario != name || plan.Description == "" || len(plan.Expect) == 0 {
			t.Errorf("%s: scenario %q needs the file's name, a description and expectations", name, plan.Scenario)
		}
	}
}

// The pace of the real outage must be within reach of --var alone.
func TestChannelFile291AtItsRealPace(t *testing.T) {
	plan, diags := LoadFile(t.Context(), "channel-file-291", Options{Vars: map[string]string{
		"revert_after": "78m", "deadline": "12h", "hands_on": `lognormal("15m", 0.5)`, "notice": "30m", "hosts": "20",
	}})
	if plan == nil {
		t.Fatal(diags)
	}
	for _, c := range plan.Cells {
		if c.Update.RevertAfter.String() != "1h18m0s" || c.Recovery.HandsOn.String() != `lognormal("15m", 0.5)` || c.Fleet.Hosts != 20 {
			t.Errorf("cell %+v", c)
		}
	}
}

// details are all summaries and details in one text.
func details(diags hcl.Diagnostics) string {
	var b strings.Builder
	for _, d := range diags {
		b.WriteString(d.Summary + ": " + d.Detail + "\n")
	}
	return b.String()
}

// A plan of a version with another default for restart is still told, and run again, as it was.
func TestResolvedRestart(t *testing.T) {
	for _, recovery := range []string{"", "recovery \"r\" {\n  technicians = 1\n  hands_on = \"1m\"\n}\n", "recovery \"r\" {\n  restart = \"7s\"\n}\n"} {
		plan, diags := Load(t.Context(), "x.hcl", []byte(frame+recovery), Options{})
		if plan == nil {
			t.Fatal(diags)
		}
		if !strings.Contains(recovery, "restart") {
			for i := range plan.Cells {
				plan.Cells[i].Recovery.Restart = Duration(time.Second)
			}
		}
		again, diags := Load(t.Context(), "x.hcl", Resolved(plan), Options{})
		if again == nil {
			t.Fatal(diags)
		}
		if diff := cmp.Diff(plan.Cells, again.Cells); diff != "" {
			t.Errorf("%q: (-plan +resolved):\n%s", recovery, diff)
		}
	}
}
