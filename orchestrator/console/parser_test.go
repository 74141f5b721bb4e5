package console

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the headers of testdata/*.txt")

// A fixture is a header of what is expected, an empty line and a console.
func fixtures(t testing.TB) map[string]struct{ header, console string } {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	all := make(map[string]struct{ header, console string })
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		header, console, ok := strings.Cut(string(data), "\n\n")
		if !ok {
			t.Fatalf("%s has no empty line after its header", file)
		}
		all[file] = struct{ header, console string }{header, console}
	}
	return all
}

func header(reports []Report) string {
	if len(reports) == 0 {
		return "no report"
	}
	var b strings.Builder
	for _, r := range reports {
		fmt.Fprintf(&b, "title: %s\ntype: %s\n", r.Title, r.Type)
		for _, f := range []struct{ name, value string }{{"module", r.Module}, {"function", r.Function}, {"offset", r.Offset}, {"caller", r.Caller}} {
			if f.value != "" {
				fmt.Fprintf(&b, "%s: %s\n", f.name, f.value)
			}
		}
		if !r.Panicked {
			b.WriteString("survived\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// parse reads a whole console.
func parse(console []byte) []Report {
	var p Parser
	return append(p.Write(console), p.Flush()...)
}

func TestFixtures(t *testing.T) {
	for file, f := range fixtures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			got := header(parse([]byte(f.console)))
			if *update {
				if err := os.WriteFile(file, []byte(got+"\n\n"+f.console), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(f.header, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Negative fixtures are named quiet-*: -update must not turn them into positive ones unseen, nor the other way round.
func TestQuietFixturesAreQuiet(t *testing.T) {
	for file, f := range fixtures(t) {
		quiet := strings.HasPrefix(filepath.Base(file), "quiet-")
		if got := len(parse([]byte(f.console))); quiet != (got == 0) {
			t.Errorf("%s: %d reports", file, got)
		}
	}
}

// However the console's bytes are cut, with and without carriage returns, the reports are the same.
func TestChunksDoNotMatter(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for file, f := range fixtures(t) {
		want := parse([]byte(f.console))
		for _, console := range []string{f.console, strings.ReplaceAll(f.console, "\n", "\r\n")} {
			var p Parser
			var got []Report
			for rest := []byte(console); len(rest) > 0; {
				n := 1 + rnd.IntN(min(len(rest), 1+rnd.IntN(300)))
				got = append(got, p.Write(rest[:n])...)
				rest = rest[n:]
			}
			if got = append(got, p.Flush()...); !reflect.DeepEqual(want, got) {
				t.Errorf("%s: in chunks: -want +got:\n%s", file, cmp.Diff(want, got))
			}
		}
	}
}

// A console may end anywhere, as when the machine is stopped. What is said then is what is said of the whole, or less.
func TestCutsSayLess(t *testing.T) {
	for file, f := range fixtures(t) {
		if strings.Contains(file, "replay") { // a line that is cut and not yet repeated says something else
			continue
		}
		whole := parse([]byte(f.console))
		var p Parser
		var done []Report
		for i := range len(f.console) {
			done = append(done, p.Write([]byte(f.console[i:i+1]))...)
			cut := clone(p)
			got := append(slices.Clone(done), cut.Flush()...)
			if len(got) > len(whole) || len(got) > 0 && !saysLess(got, whole[:len(got)]) {
				t.Errorf("%s, cut after %q: -want +got:\n%s", file, f.console[max(0, i-80):i+1], cmp.Diff(whole, got))
				break
			}
		}
	}
}

// saysLess tells whether the last of the reports says nothing that the last of the whole does not, and whether the
// others are the same.
func saysLess(got, whole []Report) bool {
	last := len(got) - 1
	for i, r := range got[:last] {
		if r.Title != whole[i].Title || r.Type != whole[i].Type || r.Offset != whole[i].Offset || r.Caller != whole[i].Caller {
			return false
		}
	}
	r, w := got[last], whole[last]
	less := func(got, whole string) bool { return got == "" || got == whole }
	return r.Title == "kernel panic" && w.Panicked || strings.HasPrefix(w.Title, r.Title) && r.Type == w.Type &&
		less(r.Module, w.Module) && less(r.Function, w.Function) && less(r.Offset, w.Offset) && less(r.Caller, w.Caller)
}

// clone copies a parser, so that one may go on and the other end.
func clone(p Parser) Parser {
	p.line = slices.Clone(p.line)
	if p.open != nil {
		open := *p.open
		open.excerpt = slices.Clone(open.excerpt)
		p.open = &open
	}
	return p
}

// A panic is reported when its line is complete, not when the machine stops: a stopped machine prints nothing more.
func TestPanicIsReportedAtOnce(t *testing.T) {
	var p Parser
	if got := p.Write([]byte("[    1.000000] sysrq: Trigger a crash\n[    1.000100] Kernel panic - not syncing: sysrq triggered crash")); len(got) > 0 {
		t.Errorf("a report before the line's end: %+v", got)
	}
	got := p.Write([]byte("\r\n"))
	if len(got) != 1 || got[0].Type != TypeSysrq || !got[0].Panicked {
		t.Errorf("got %+v, want one panic by sysrq", got)
	}
	if got := p.Write([]byte("[    1.000200] BUG: kernel NULL pointer dereference, address: 0000000000000000\n")); len(got) > 0 || len(p.Flush()) > 0 {
		t.Errorf("one crash gave a second report: %+v", got)
	}
	p.Flush()
	if got := p.Write([]byte("[    1.000100] Kernel panic - not syncing: sysrq triggered crash\n")); len(got) != 1 {
		t.Errorf("after Flush: %+v, want another report", got)
	}
}

// A panic that needs its trace is reported with the trace's line that says where, or by Flush.
func TestPanicWithTrace(t *testing.T) {
	start := "[    1.000000] Kernel panic - not syncing: agent: self-test failed\n[    1.000000] Call Trace:\n"
	for name, test := range map[string]struct{ rest, title string }{
		"whole":     {"[    1.000000]  panic+0x118/0x2f4\n[    1.000000]  agent_init+0x10/0x20 [agentk]\n", "kernel panic: agent: self-test failed in agentk:agent_init"},
		"cut short": {"", "kernel panic: agent: self-test failed"},
	} {
		var p Parser
		if got := p.Write([]byte(start)); len(got) != 0 || !p.Panicking() {
			t.Errorf("%s: %d reports before the trace, panicking %v", name, len(got), p.Panicking())
		}
		got := append(p.Write([]byte(test.rest)), p.Flush()...)
		if len(got) != 1 || got[0].Title != test.title || !got[0].Panicked {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var p Parser
	p.Write([]byte(strings.Repeat("x", 1<<20)))
	if len(p.line) > maxLine {
		t.Errorf("%d bytes kept of an endless line", len(p.line))
	}
	p.Write([]byte("\n[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000000\n"))
	var got []Report
	for range 3 * maxAccount {
		got = append(got, p.Write([]byte("[    1.000000] Call Trace:\n"))...)
	}
	if len(got) != 1 || got[0].Panicked || len(got[0].Excerpt) > maxExcerpt {
		t.Errorf("a crash without end: %d reports", len(got))
	}
}

// TestStamp: a crash is stamped when it went wrong, not when all of it was printed.
func TestStamp(t *testing.T) {
	text := "[    1.000001] BUG: unable to handle page fault for address: 0000000000000008\n[   10.900000] Kernel panic - not syncing: Fatal exception\n"
	reports := parse([]byte(text))
	if len(reports) != 1 || !reports[0].Panicked || reports[0].At != time.Second+time.Microsecond {
		t.Errorf("%+v", reports)
	}
	if reports := parse([]byte("[99999999999999.000001] Kernel panic - not syncing: x\n")); len(reports) != 1 || reports[0].At != 0 {
		t.Errorf("a stamp that no kernel makes: %+v", reports)
	}
}
