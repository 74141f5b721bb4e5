package architecture

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/fleetfall/fleetfall/"

// A rule says what of ours the packages below a folder may import, and why no more.
type rule struct {
	room   string
	may    []string // folders; a folder allows what is below it
	reason string
}

var rules = []rule{
	{"agents/architecture", nil, "names are what all rooms share, and are built into guests"},
	{"agents/content", nil, "the channel file is the contract with guests, and is built into them"},
	{"agents/protocol", nil, "it is built into guests"},
	{"agents/ebpf", []string{
		"agents/content", "agents/safe/engine",
	}, "a daemon of a 96 MiB machine carries nothing of the host's"},
	{"agents/guest", []string{
		"agents/architecture", "agents/content", "agents/protocol",
	}, "PID 1 of a 96 MiB machine carries nothing of the host's"},
	{"agents/safe", []string{
		"agents/content", "agents/safe",
	}, "an agent of a 96 MiB machine carries nothing of the host's"},
	{"scenarios", []string{
		"agents/architecture", "agents/content", "internal/printable", "internal/daemonuri",
	}, "a language knows what can be asked for, not who does it"},
	{"orchestrator/fleet/fleettest", []string{
		"orchestrator/fleet", "orchestrator/backend", "orchestrator/admission",
	}, "what tests use knows what backends know"},
	{"orchestrator/fleet", []string{"agents/content"}, "a new backend depends on the contract alone"},
	{"orchestrator/draw", nil, "chance hangs on numbers alone, and on no name of anything"},
	{"orchestrator/console", nil, "text in, panics out"},
	{"orchestrator/vmcore", nil, "memory in, the kernel's log out"},
	{"orchestrator/health", []string{
		"agents/architecture", "orchestrator/fleet",
	}, "states are derived from events alone"},
	{"orchestrator/recovery", []string{
		"orchestrator/fleet", "orchestrator/health", "scenarios",
	}, "a policy is pure: it reaches no host"},
	{"orchestrator/admission", []string{
		"internal/process",
	}, "what fits is arithmetic: it knows neither scenarios nor backends"},
	{"orchestrator/backend", []string{
		"orchestrator/fleet", "orchestrator/admission", "vmimages",
	}, "the contract with backends knows neither scenarios nor results"},
	{"orchestrator/cosim", nil, "time is arithmetic: it knows neither hosts nor what happens to them"},
	{"orchestrator/guestlink", []string{
		"orchestrator/fleet", "orchestrator/console", "orchestrator/draw", "agents/protocol",
	}, "it knows guests by what they say, and not how they are run"},
	{"orchestrator/libvirt/internal/daemontest", []string{
		"orchestrator/libvirt/internal", "internal",
	}, "tests' daemons say what they need of a machine"},
	{"orchestrator/libvirt/internal/domain", []string{
		"orchestrator/fleet", "vmimages", "agents/protocol",
	}, "a VM is described there, and nothing done with it"},
	{"orchestrator/libvirt/internal/panics", []string{
		"orchestrator/console", "orchestrator/fleet",
	}, "a panic is joined there by what is said alone: it needs no VM"},
	{"orchestrator/libvirt/internal/vm", []string{
		"orchestrator/libvirt/internal", "orchestrator/admission", "orchestrator/console", "orchestrator/fleet",
		"orchestrator/guestlink", "orchestrator/vmcore", "agents/architecture", "agents/protocol",
		"internal/tool", "vmimages",
	}, "a VM is heard there; what a host makes of that is not known"},
	{"orchestrator/libvirt/internal/wall", []string{
		"orchestrator/libvirt/internal", "orchestrator/console", "orchestrator/fleet", "orchestrator/guestlink", "vmimages",
	}, "a fleet knows the site of its VMs, not whose that is"},
	{"orchestrator/libvirt/internal/virtual", []string{
		"orchestrator/libvirt/internal", "orchestrator/console", "orchestrator/cosim", "orchestrator/draw",
		"orchestrator/fleet", "orchestrator/guestlink", "agents/protocol", "vmimages",
	}, "a fleet knows the site of its VMs, not whose that is"},
	{"orchestrator/libvirt/internal", []string{
		"orchestrator/libvirt/internal", "orchestrator/backend", "agents/protocol", "internal/daemonuri",
		"internal/printable", "internal/process", "internal/tool",
	}, "what hosts are made of knows neither hosts nor fleets"},
	{"orchestrator/libvirt", []string{
		"orchestrator/backend", "orchestrator/fleet", "orchestrator/guestlink", "orchestrator/cosim",
		"orchestrator/console", "orchestrator/vmcore", "orchestrator/admission", "vmimages",
		"agents/architecture", "agents/protocol", "agents/content", "internal/tool", "internal/process",
		"internal/daemonuri", "internal/printable",
	}, "a backend knows no scenario and no result"},
	{"orchestrator/replay", []string{
		"orchestrator/fleet",
	}, "a backend knows no scenario and no result, a recorded one neither"},
	{"vmimages", []string{"agents", "internal/tool"}, "an image knows nothing of what is done to it"},
	{"results/stats", nil, "numbers in, numbers out"},
	{"results/measure", []string{
		"agents/architecture", "results/stats", "results", "orchestrator/draw", "orchestrator/fleet", "orchestrator/health",
		"scenarios",
	}, "figures come from the journal alone"},
	{"results/report", []string{"results", "scenarios"}, "a page is a function of the results"},
	{"results", []string{"orchestrator/draw", "orchestrator/fleet", "orchestrator/health", "scenarios"}, "a journal keeps what others say"},
	{"orchestrator", []string{
		"orchestrator", "scenarios", "results", "agents/architecture", "agents/content", "vmimages",
	}, "the command line is above it"},
}

// exempt are packages of a room that may import more, with the reason.
var exempt = map[string]string{
	"orchestrator/experiment": "it is where the rooms meet",
}

// A listed package is a folder with Go files that are not tests.
type listed struct {
	path    string   // below the module
	imports []string // of those files, sorted
}

// packages reads the imports from the files themselves: a test that asked the go command would be cached whatever
// changes.
func packages(t *testing.T) []listed {
	t.Helper()
	root := filepath.Join("..", "..")
	found := map[string]map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "runs"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		if found[dir] == nil {
			found[dir] = map[string]bool{}
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			found[dir][imported] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []listed
	for _, dir := range slices.Sorted(maps.Keys(found)) {
		all = append(all, listed{filepath.ToSlash(dir), slices.Sorted(maps.Keys(found[dir]))})
	}
	return all
}

func below(path string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return path == f || strings.HasPrefix(path, f+"/") })
}

// TestImports holds each package to the first rule whose room it is in. Rooms are listed from the inside out, so that a
// folder's own rule comes before that of the folder around it.
func TestImports(t *testing.T) {
	held := 0
	for _, p := range packages(t) {
		path := p.path
		if exempt[path] != "" {
			continue
		}
		i := slices.IndexFunc(rules, func(r rule) bool { return below(path, []string{r.room}) })
		if i < 0 {
			if !below(path, []string{"cmd", "agents", "internal"}) {
				t.Errorf("%s is in no room: give it a rule here and a line in ARCHITECTURE.md", path)
			}
			continue
		}
		held++
		r := rules[i]
		for _, imported := range p.imports {
			ours, is := strings.CutPrefix(imported, module)
			if is && !below(ours, append(r.may, r.room)) {
				t.Errorf("%s imports %s: %s may import of ours only %v, because %s", path, ours, r.room, r.may, r.reason)
			}
		}
	}
	if held < len(rules) {
		t.Errorf("%d packages are held to %d rules: a rule has no package", held, len(rules))
	}
}

// TestNobodyImportsTheCommand keeps logic out of cmd, and tests' helpers out of what is shipped.
func TestNobodyImportsTheCommand(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.imports {
			ours := strings.TrimPrefix(imported, module)
			if below(ours, []string{"cmd"}) {
				t.Errorf("%s imports %s: what is worth sharing does not belong into cmd", p.path, ours)
			}
			if imported == "testing" && !strings.HasSuffix(p.path, "test") && !strings.HasSuffix(p.path, "internal/capability") {
				t.Errorf("%s imports testing outside its tests", p.path)
			}
		}
	}
}

// TestNames refuses folders whose name says nothing.
func TestNames(t *testing.T) {
	for _, p := range packages(t) {
		for _, part := range strings.Split(p.path, "/") {
			if slices.Contains([]string{"pkg", "util", "utils", "common", "helpers", "manager", "factory", "misc", "base"}, part) {
				t.Errorf("%s: a folder named %q says nothing of what is in it", p.path, part)
			}
		}
	}
}
