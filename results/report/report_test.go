package report

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/orchestrator/health"
	"github.com/fleetfall/fleetfall/results"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fixtures are the runs that every form of report is tested with.
func fixtures() map[string]*results.Results {
	return map[string]*results.Results{
		"outage": outage(), "interrupted": interrupted(), "nothing": nothing(), "hostile": hostile(), "hundred": hundred(),
		"verified": verifiedTwice(), "matrix": matrixOfTwelve(), "pairs": pairs(),
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with -update", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); if that is meant, run with -update:\n%s", path, diff)
	}
}

func TestGolden(t *testing.T) {
	wide := func(w io.Writer, r *results.Results) error { return Terminal(w, r, 130, false) }
	narrow := func(w io.Writer, r *results.Results) error { return Terminal(w, r, 80, true) }
	for _, form := range []struct {
		suffix string
		write  func(io.Writer, *results.Results) error
	}{{".html", HTML}, {".md", Markdown}, {".130.txt", wide}, {".80.color.txt", narrow}} {
		for name, r := range fixtures() {
			if form.suffix == ".html" && name != "outage" {
				continue
			}
			t.Run(name+form.suffix, func(t *testing.T) {
				var a, b bytes.Buffer
				if err := form.write(&a, r); err != nil {
					t.Fatal(err)
				}
				if err := form.write(&b, r); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(a.Bytes(), b.Bytes()) {
					t.Error("the second call gave other bytes")
				}
				golden(t, name+form.suffix, a.Bytes())
			})
		}
	}
}

// hostile is outage with every text replaced by an attack on whoever shows it.
func hostile() *results.Results {
	const attack = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg onload=alert(3)>" +
		"\x1b[2J\x1b]0;owned\x07\x1b]8;;http://x\x1b\\\u202e\x00\xff`|**[x](http://evil.example)** @someone \r\n{{.}} ${x} &lt;"
	r := verifiedTwice()
	replaceStrings(reflect.ValueOf(r).Elem(), attack)
	// These choose what is shown, and keep their meaning here so that all of it is.
	r.Verdict, r.Run.Status = results.Missed, "complete"
	for i, v := range verifiedTwice().Verification {
		r.Verification[i].Status = v.Status
	}
	for i := range r.Cells {
		original := outage().Cells[i]
		for name, m := range original.Metrics {
			m.Note = attack
			original.Metrics[name] = m
		}
		r.Cells[i].Metrics = original.Metrics
		r.Cells[i].Metrics[attack] = fig(1, 0, 1, 1, attack)
		for j, h := range original.HostsDetail {
			if h.Invalid == "" {
				r.Cells[i].HostsDetail[j].Invalid = ""
			}
			for k, s := range h.Spans {
				r.Cells[i].HostsDetail[j].Spans[k].State = s.State
			}
		}
		r.Cells[i].HostsDetail[0].Spans[0].State = attack
	}
	return r
}

func replaceStrings(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Struct:
		for i := range v.NumField() {
			replaceStrings(v.Field(i), s)
		}
	case reflect.Slice:
		for i := range v.Len() {
			replaceStrings(v.Index(i), s)
		}
	}
}

func TestHostileText(t *testing.T) {
	var page, table, plain, summary bytes.Buffer
	r := hostile()
	for _, err := range []error{HTML(&page, r), Terminal(&table, r, 100, true), Terminal(&plain, r, 100, false),
		Markdown(&summary, r)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []string{"<script", "<img", "<svg onload", "\x1b", "\x00", "\u202e", "http://x", "owned"} {
		if strings.Contains(page.String(), bad) {
			t.Errorf("the page contains %q", bad)
		}
		if strings.Contains(plain.String(), bad) && !strings.HasPrefix(bad, "<") {
			t.Errorf("the plain table contains %q", bad)
		}
		if strings.Contains(summary.String(), bad) {
			t.Errorf("the summary contains %q", bad)
		}
	}
	if bad := regexp.MustCompile(`[^\\]\]\(|@someone|://|[^\\]\*\*\[`).FindString(summary.String()); bad != "" {
		t.Errorf("the summary contains %q", bad)
	}
	rest := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(table.String(), "")
	if strings.Contains(rest, "\x1b") {
		t.Error("the coloured table contains terminal sequences other than its own colours")
	}
	if !utf8.Valid(page.Bytes()) || !utf8.Valid(plain.Bytes()) || !utf8.Valid(summary.Bytes()) {
		t.Error("not UTF-8")
	}
}

// TestVerification: the page says what the second runs came to, at its top only what cannot be relied upon.
func TestVerification(t *testing.T) {
	page := func(r *results.Results) (header, whole string) {
		var b bytes.Buffer
		if err := HTML(&b, r); err != nil {
			t.Fatal(err)
		}
		header, _, _ = strings.Cut(b.String(), "<main")
		return header, b.String()
	}
	r := verifiedTwice()
	const warning = "1 of 6 trials came out differently when the machine was busy"
	header, whole := page(r)
	if !strings.Contains(header, warning) {
		t.Error("the header does not warn of a trial that differs")
	}
	for _, want := range []string{
		"times may differ by 2 ms, and the memory that a host has left by 64 KiB, nothing else may",
		"<strong>control</strong>: identical in all 2 003 lines",
		"<strong>kernel</strong>: the same but for times: in 4 of 2 003 lines, by at most 1.996 ms",
		"<strong>user</strong>: repeat 1 differs: beat of user-1 at 1m40s",
		"repeat 2 was not verified: its second run was invalid",
	} {
		if !strings.Contains(strings.ReplaceAll(whole, "\u2009", " "), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	r.Verification = r.Verification[:4]
	if header, _ := page(r); strings.Contains(header, "busy") {
		t.Error("the header warns of trials that came out the same")
	}
	if _, whole := page(outage()); strings.Contains(whole, "busy") {
		t.Error("a run without verification speaks of it")
	}
}

// The page says at its top what the run's clock means for its times.
func TestClockMeaning(t *testing.T) {
	const wall = "Times are of the wall clock: contention on the machine stretches them."
	const virtual = "Times are of the virtual clock, counted in instructions of the guests: they do not depend on the machine&#39;s speed."
	for clock, want := range map[string]string{"wall": wall, "virtual": virtual, "": "", "sundial": ""} {
		r := outage()
		r.Provenance.Clock = clock
		var b bytes.Buffer
		if err := HTML(&b, r); err != nil {
			t.Fatal(err)
		}
		header, _, _ := strings.Cut(b.String(), "<nav")
		for _, sentence := range []string{wall, virtual} {
			if strings.Contains(header, sentence) != (sentence == want) {
				t.Errorf("clock %q: the header should say %q", clock, want)
			}
		}
	}
}

func TestTerminalWidth(t *testing.T) {
	for name, r := range fixtures() {
		for _, width := range []int{0, 40, 61, 80, 120, 200} {
			var b bytes.Buffer
			if err := Terminal(&b, r, width, false); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()) {
				if n := textWidth(strings.TrimSuffix(line, "\n")); n > max(width, minWidth) {
					t.Errorf("%s at %d columns: a line of %d: %q", name, width, n, line)
				}
			}
		}
	}
}

// longNames is a run whose cells are told apart by all four of their parts, none of them short.
func longNames() *results.Results {
	r := grid([]string{"kernel-with-a-watchdog", "user"}, []string{"false_positive_on_the_updater", "glob_backtracking_of_a_rule"},
		"technicians-after-an-hour", "rollback")
	for i := range r.Cells {
		r.Cells[i].Rollout = []string{"everyone-at-once", "rings-of-one-percent"}[i/2%2]
		r.Cells[i].Waves = 2
	}
	r.Cells = r.Cells[4:]
	return r
}

// TestWordsStayWhole: no width breaks a name, a word or a figure, and none is cut short.
func TestWordsStayWhole(t *testing.T) {
	runs := fixtures()
	runs["long names"], runs["ninety"] = longNames(), ninety()
	delete(runs, "hostile") // has words wider than any terminal
	words := func(r *results.Results, width int) []string {
		var b bytes.Buffer
		if err := Terminal(&b, r, width, false); err != nil {
			t.Fatal(err)
		}
		return strings.FieldsFunc(b.String(), func(c rune) bool { return c == ' ' || c == '\n' })
	}
	for name, r := range runs {
		whole := words(r, 10000)
		for _, label := range labels(r.Cells) {
			whole = append(whole, strings.Fields(label)...)
		}
		for _, width := range []int{80, 120} {
			for _, word := range words(r, width) {
				if !slices.Contains(whole, word) || strings.Contains(word, "…") {
					t.Errorf("%s at %d columns: %q is no word", name, width, word)
				}
			}
		}
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		text           string
		first, further int
		want           []string
	}{
		{"", 10, 8, nil},
		{"one two three", 8, 6, []string{"one two", "three"}},
		{"one two three", 7, 5, []string{"one two", "three"}},
		{" 1\u2009036 of\n2\u2009000 lines ", 8, 8, []string{"1\u2009036 of", "2\u2009000", "lines"}},
		{"a kernel/rapid/everyone b", 13, 9, []string{"a", "kernel/", "rapid/", "everyone", "b"}},
		{"after 100 %) or ≥ 5 min 3 s, 3 and", 9, 9, []string{"after", "100 %) or", "≥ 5 min", "3 s, 3", "and"}},
		{"abcdefghij", 4, 3, []string{"abcd", "efg", "hij"}},
	} {
		if got := wrap(tt.text, tt.first, tt.further); !slices.Equal(got, tt.want) {
			t.Errorf("%q at %d and %d: %q, want %q", tt.text, tt.first, tt.further, got, tt.want)
		}
	}
}

func TestSize(t *testing.T) {
	var b bytes.Buffer
	if err := HTML(&b, outage()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", b.Len())
	if b.Len() > 320<<10 {
		t.Errorf("a page of three cells of twenty host samples has %d bytes, want less than 320 KiB", b.Len())
	}
	if bad := regexp.MustCompile(`(?i)(src|href)="(https?:|//)|@import|<script|<link[^>]+stylesheet`).FindString(b.String()); bad != "" {
		t.Errorf("the page is not self-contained: %s", bad)
	}
}

// TestHundredHosts: three cells of a hundred hosts, and each of them in the page.
func TestHundredHosts(t *testing.T) {
	r := hundred()
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", b.Len())
	if b.Len() > 1500<<10 {
		t.Errorf("%d bytes, want less than 1.5 MB", b.Len())
	}
	for _, c := range r.Cells {
		for _, h := range c.HostsDetail {
			if !strings.Contains(b.String(), "<title>"+h.Host+": ") {
				t.Fatalf("nothing tells of %s", h.Host)
			}
		}
	}
	if strings.Contains(b.String(), "not shown") {
		t.Error("hosts are left out")
	}
}

func TestShapeOfLanes(t *testing.T) {
	for n, want := range map[int]laneShape{1: {22, 12, 1}, 50: {22, 12, 1}, 51: {12, 10, 1}, 100: {12, 10, 1}, 200: {6, 5, 2}, 300: {4, 3, 3}} {
		if got := shapeOf(n); got != want {
			t.Errorf("%d lanes: %+v, want %+v", n, got, want)
		}
	}
}

// TestManyHosts bounds a page by lanes, not by hosts.
func TestManyHosts(t *testing.T) {
	r := outage()
	for i := range 400 {
		h := outageHost("kernel", 1, 1+i%4, &results.Trial{End: ptr(1800)})
		r.Cells[1].HostsDetail = append(r.Cells[1].HostsDetail, h)
	}
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 2<<20 || !strings.Contains(b.String(), "The 420 hosts do not fit") ||
		!strings.Contains(b.String(), "120 are not shown") {
		t.Errorf("%d bytes; want less than 2 MiB, and the hosts that are not shown counted", b.Len())
	}
}

func TestStatesAreHealths(t *testing.T) {
	var got []string
	for _, s := range states() {
		got = append(got, s.Name)
		if s.Available != health.State(s.Name).Available() {
			t.Errorf("%s: available is %v here", s.Name, s.Available)
		}
	}
	var want []string
	for _, s := range health.States() {
		want = append(want, string(s))
	}
	if !slices.Equal(got, want) {
		t.Errorf("states %v, package health has %v", got, want)
	}
}
