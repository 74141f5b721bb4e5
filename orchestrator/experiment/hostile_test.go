package experiment

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/report"
)

// hostile are values that somebody may write in the place of another.
var hostile = []string{
	"-1", "0", "1", "1000000000", "9223372036854775807", "-9223372036854775808", "1e300", "0.5", `""`, `"-5s"`, `"0s"`, `"1ns"`,
	`"2562047h47m16.854775807s"`, `"../../../tmp/x"`, `"none"`, `"safe_mode"`, `"virtual"`, `"kernel-01"`, `"\u0000"`, "null", "[]", "{}", "true",
}

// value matches a JSON member's value that is no object and no list.
var value = regexp.MustCompile(`":("(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null|\[\]|\{\})`)

// spoil puts hostile values in the place of some of a line's.
func spoil(rng *rand.Rand, line string) string {
	at := value.FindAllStringSubmatchIndex(line, -1)
	if len(at) == 0 {
		return line
	}
	m := at[rng.IntN(len(at))]
	return line[:m[2]] + hostile[rng.IntN(len(hostile))] + line[m[3]:]
}

// use does all that is done with a journal, but for running hosts. Errors are as good as results; a panic is neither.
func use(t testing.TB, journal []byte) (read bool) {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "runs", "hostile")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(root) // a fuzz target's directories would pile up
	path := filepath.Join(dir, results.JournalFile)
	if err := os.WriteFile(path, journal, 0o644); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("panic: %v\n%s", p, journal[:min(len(journal), 4000)])
			panic(p)
		}
	}()
	r, err := report.Files(dir)
	if err != nil {
		return false
	}
	if err := report.Terminal(&bytes.Buffer{}, r, 80, false); err != nil {
		t.Error(err)
	}
	if _, err := report.SoFar(dir); err != nil {
		t.Errorf("it is read once, and not twice: %v", err)
	}
	if replayed, err := Replay(t.Context(), ReplayConfig{Run: dir, Results: root}); err == nil && replayed == nil {
		t.Error("it was replayed, and nothing is said of it")
	}
	if below, err := os.ReadDir(root); err != nil || len(below) > 2 {
		t.Errorf("besides the run and its replay there are %v, %v", below, err)
	}
	again := &run{Config: Config{Results: root, Resume: dir, Step: func(string) {}}, consoles: map[string]int{}}
	if err := again.takeUp(); err == nil {
		planned, err := again.planned()
		if left := again.remaining(planned); err == nil && len(left) > 1_000_000 {
			t.Errorf("%d trials are left to run", len(left))
		}
		if err := again.abandon(); err != nil {
			t.Error(err)
		}
	}
	return true
}

// small is a journal without checksums, so that whatever is in it can be another.
func small(t testing.TB) []byte {
	t.Helper()
	plan := smallPlan(t)
	plan.Cells = plan.Cells[:2]
	for i := range plan.Cells {
		plan.Cells[i].Fleet.Hosts = 1
	}
	r := newRun(t, Config{Plan: plan, Results: t.TempDir()})
	r.finish(t, t.Context(), &testbed{}, true)
	data, err := os.ReadFile(filepath.Join(r.dir, results.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(withoutSums(string(data)))
}

// TestHostileJournals: report, replay and the resumption of a run take any journal that somebody could have written, or
// refuse it.
func TestHostileJournals(t *testing.T) {
	journal := string(small(t))
	lines := strings.SplitAfter(strings.TrimSuffix(journal, "\n"), "\n")
	if !use(t, []byte(journal)) {
		t.Fatal("the journal itself cannot be read")
	}
	rng := rand.New(rand.NewPCG(3, 4))
	read, tries := 0, 200
	if testing.Short() {
		tries = 50
	}
	if n, err := strconv.Atoi(os.Getenv("FLEETFALL_DAMAGES")); err == nil && n > 1 { // as make soak has it, from another seed each time
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		tries, rng = n*tries, rand.New(rand.NewPCG(seed, 4))
	}
	for range tries {
		spoiled := append([]string(nil), lines...)
		for range 1 + rng.IntN(3) {
			i := rng.IntN(len(lines))
			if rng.IntN(2) == 0 {
				i = 0 // the header, of which everything is computed
			}
			spoiled[i] = spoil(rng, spoiled[i])
		}
		if use(t, []byte(strings.Join(spoiled, ""))) {
			read++
		}
	}
	t.Logf("%d of %d were read", read, tries)
}

// TestEveryFieldOfThePlan has each hostile value once.
func TestEveryFieldOfThePlan(t *testing.T) {
	journal := string(small(t))
	header, rest, _ := strings.Cut(journal, "\n")
	var entry struct {
		Data struct{ Plan map[string]json.RawMessage }
	}
	if err := json.Unmarshal([]byte(header), &entry); err != nil {
		t.Fatal(err)
	}
	for name := range entry.Data.Plan {
		for _, v := range hostile {
			changed := regexp.MustCompile(fmt.Sprintf(`"%s":("[^"]*"|[0-9]+)`, name)).ReplaceAllString(header, `"`+name+`":`+strings.ReplaceAll(v, "$", "$$"))
			if changed != header && name != "source" && name != "description" {
				use(t, []byte(changed+"\n"+rest))
			}
		}
	}
}

func FuzzUse(f *testing.F) {
	journal := small(f)
	f.Add(journal)
	f.Add(bytes.Join(bytes.SplitAfter(journal, []byte("\n"))[:30], nil))
	f.Fuzz(func(t *testing.T, journal []byte) { use(t, journal) })
}
