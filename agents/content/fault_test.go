package content_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/content/contenttest"
)

func TestParseCriterion(t *testing.T) {
	for _, c := range []struct {
		text string
		want content.Criterion
		err  string
	}{
		{text: "any"},
		{text: "equals:xyz", want: content.Criterion{Op: content.Equals, Value: "xyz"}},
		{text: "prefix:a:b", want: content.Criterion{Op: content.Prefix, Value: "a:b"}},
		{text: "contains: ", want: content.Criterion{Op: content.Contains, Value: " "}},
		{text: "glob:*.exe", want: content.Criterion{Op: content.Glob, Value: "*.exe"}},
		{text: "", err: `unknown operator ""`},
		{text: "equal:x", err: `unknown operator "equal"; write "any", or equals`},
		{text: "Equals:x", err: `unknown operator "Equals"`},
		{text: "any:", err: "any takes no value"},
		{text: "any:x", err: "any takes no value"},
		{text: "equals", err: `equals needs a value; write "equals:xyz"`},
		{text: "equals:", err: "equals needs a value"},
		{text: "glob:" + strings.Repeat("x", 257), err: "a value of 257 bytes, want at most 256"},
	} {
		got, err := content.ParseCriterion(c.text)
		switch {
		case c.err == "" && (err != nil || got != c.want || got.String() != c.text):
			t.Errorf("%q: %v (%s), %v; want %v", c.text, got, got, err, c.want)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%q: error %v, want one with %q", c.text, err, c.err)
		}
	}
}

func FuzzParseCriterion(f *testing.F) {
	for _, text := range []string{"any", "equals:xyz", "prefix::", "glob", "any:", "\xff:\x00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := content.ParseCriterion(text)
		if err == nil && c.String() != text {
			t.Errorf("%q is read as %q", text, c)
		}
	})
}

func TestFaultsAreDescribed(t *testing.T) {
	var names []string
	for _, f := range content.Faults() {
		names = append(names, f.Name)
		if !strings.HasSuffix(f.Summary, ".") {
			t.Errorf("%s: summary %q is no sentence", f.Name, f.Summary)
		}
		if (f.Defect == "") != (f.Name == "none") || (f.Effect == "") != (f.Name == "none") {
			t.Errorf("%s: defect %q and effect %q; every fault but none needs both", f.Name, f.Defect, f.Effect)
		}
		for _, p := range f.Parameters {
			if p.Name == "" || p.Summary == "" {
				t.Errorf("%s: parameter %q lacks a name or a summary", f.Name, p.Name)
			}
		}
		if found, err := content.FindFault(f.Name); err != nil || found.Summary != f.Summary {
			t.Errorf("FindFault(%q) = %q, %v", f.Name, found.Name, err)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(names)) != len(content.Faults()) {
		t.Errorf("names %q, want them sorted and distinct", names)
	}
	_, err := content.FindFault("feild_count")
	if err == nil || err.Error() != `unknown fault "feild_count"; known are `+strings.Join(names, ", ") {
		t.Errorf("error %v for an unknown fault", err)
	}
}

// A fault lies in validly signed content that carries its version, but for those whose fault that is.
func TestFaultsAreSignedAndReproducible(t *testing.T) {
	public, private := content.TestVendorKey()
	for _, fault := range content.Faults() {
		file := mustUpdate(t, fault, 7, nil)
		if err := content.Verify(file, public); (err == nil) == (fault.Name == "unsigned") {
			t.Errorf("%s: %v", fault.Name, err)
		}
		if v, err := content.Version(file); (err != nil || v != 7) != (fault.Name == "replay") {
			t.Errorf("%s: version %d, %v; want 7", fault.Name, v, err)
		}
		again, err := fault.Update(7, 1, nil, private)
		if err != nil || !bytes.Equal(file, again) {
			t.Errorf("%s: two calls differ (%v)", fault.Name, err)
		}
		if err := fault.Check(content.Params{"no_such": "1"}); err == nil || !strings.Contains(err.Error(), `no parameter "no_such"`) {
			t.Errorf("%s: error %v for an unknown parameter", fault.Name, err)
		}
	}
}

// Whatever a parameter's check lets pass makes an update: its least value, its most, and nothing beyond.
func TestFaultsAtTheirBounds(t *testing.T) {
	_, key := content.TestVendorKey()
	checked := 0
	for _, fault := range content.Faults() {
		for _, p := range fault.Parameters {
			if _, err := strconv.Atoi(p.Default); err != nil {
				continue
			}
			var least, most int
			_, text, _ := strings.Cut(fmt.Sprint(fault.Check(content.Params{p.Name: "x"})), "want ")
			if _, err := fmt.Sscanf(text, "a whole number from %d to %d", &least, &most); err != nil {
				t.Errorf("%s, %s: the check says %q", fault.Name, p.Name, text)
			}
			checked++
			for _, n := range []int{least - 1, least, most, most + 1} {
				params := content.Params{p.Name: strconv.Itoa(n)}
				within := n >= least && n <= most
				if err := fault.Check(params); (err == nil) != within {
					t.Errorf("%s, %s = %d: check says %v", fault.Name, p.Name, n, err)
				}
				file, err := fault.Update(2, 1, params, key)
				if (err == nil) != within || len(file) > content.MaxFile {
					t.Errorf("%s, %s = %d: an update of %d bytes, %v", fault.Name, p.Name, n, len(file), err)
				}
			}
		}
	}
	if checked < 5 {
		t.Errorf("%d parameters that are numbers", checked)
	}
}

// What is wrong with a file is all that is wrong with it: where content.Decode takes it, it says what it should; where it does
// not, this is why.
func TestFaultsAreWhatTheyClaim(t *testing.T) {
	baseline := len(content.Baseline(2).Instances)
	claims := map[string]string{
		"deep_nesting":           "groups are nested more than 8 deep",
		"false_length":           "the payload is said to have 1048576 bytes",
		"false_positive_system":  "block work",
		"false_positive_updater": "block updater",
		"field_count":            "detect equals on field 20",
		"glob_backtracking":      "detect glob on field 9",
		"memory_exhaustion":      "instances, want at most 1024",
		"none":                   "detect new-threat-2",
		"replay":                 "older",
		"self_wait":              "inspect work",
		"truncated":              "the payload is said to have",
		"unknown_version":        "unknown format 2, want 1",
		"unsigned":               "detect new-threat-2",
		"zero_filled":            "bytes are left over after the last instance",
	}
	for _, fault := range content.Faults() {
		name := fault.Name
		if name == "bit_flips" { // what is wrong is the seed's to say: TestBitFlips
			continue
		}
		want, claimed := claims[name]
		if !claimed {
			t.Errorf("%s: say here what is wrong with its file", name)
			continue
		}
		f, err := content.Decode(mustUpdate(t, fault, 2, nil))
		switch {
		case err != nil && strings.Contains(err.Error(), want):
		case err != nil:
			t.Errorf("%s: %v, want %q", name, err, want)
		case want == "older":
			if f.Version >= 7 || len(f.Instances) >= baseline {
				t.Errorf("%s: version %d with %d rules", name, f.Version, len(f.Instances))
			}
		default:
			if got := lastRule(f, baseline); !slices.Contains(got, want) {
				t.Errorf("%s: the rule beyond the baseline is %q, want %q", name, got, want)
			}
		}
	}
}

// lastRule says in two ways what the one rule beyond the baseline does.
func lastRule(f content.File, baseline int) []string {
	if len(f.Instances) != baseline+1 {
		return nil
	}
	in := f.Instances[baseline]
	var said []string
	for i, c := range in.Criteria {
		if c.Op != content.Any {
			said = append(said, fmt.Sprintf("%s %s", in.Action, c.Value), fmt.Sprintf("%s %s on field %d", in.Action, c.Op, i))
		}
	}
	return said
}

// One bit unless more are asked for: most files with more are refused, and show nothing else.
func TestBitFlipsDefault(t *testing.T) {
	fault, err := content.FindFault("bit_flips")
	if err != nil {
		t.Fatal(err)
	}
	_, key := content.TestVendorKey()
	one, err := fault.Update(2, 1, content.Params{"bits": "1"}, key)
	if err != nil || !bytes.Equal(one, mustUpdate(t, fault, 2, nil)) {
		t.Errorf("the default is not one bit (%v)", err)
	}
}

// Bits are flipped in the payload, as many as are asked for, and others with another seed.
func TestBitFlips(t *testing.T) {
	fault, err := content.FindFault("bit_flips")
	if err != nil {
		t.Fatal(err)
	}
	none, err := content.FindFault("none")
	if err != nil {
		t.Fatal(err)
	}
	_, key := content.TestVendorKey()
	whole := mustUpdate(t, none, 2, nil)
	seen := map[string]bool{}
	for seed := range uint64(20) {
		file, err := fault.Update(2, seed, content.Params{"bits": "3"}, key)
		if err != nil {
			t.Fatal(err)
		}
		flipped := 0
		for i := range file[:len(file)-ed25519.SignatureSize] {
			flipped += bits.OnesCount8(file[i] ^ whole[i])
		}
		if flipped != 3 || !bytes.Equal(file[:20], whole[:20]) {
			t.Errorf("seed %d: %d bits flipped, want 3 of the payload", seed, flipped)
		}
		seen[string(file)] = true
	}
	if len(seen) != 20 {
		t.Errorf("20 seeds give %d files", len(seen))
	}
	for _, bad := range []string{"0", "-1", "x", "1025", ""} {
		if err := fault.Check(content.Params{"bits": bad}); err == nil || !strings.Contains(err.Error(), "want a whole number from 1 to 1024") {
			t.Errorf("bits %q: %v", bad, err)
		}
	}
}

// A program's parameter is a file's name: with anything else the fault would do nothing.
func TestProgramIsAFileName(t *testing.T) {
	for _, name := range []string{"false_positive_system", "false_positive_updater", "self_wait"} {
		fault, err := content.FindFault(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, good := range []string{"work", "a program: any", strings.Repeat("x", 255)} {
			if err := fault.Check(content.Params{"program": good}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, bad := range []string{"", "usr/bin/work", "/work", "work\x00", strings.Repeat("x", 256)} {
			err := fault.Check(content.Params{"program": bad})
			if err == nil || !strings.Contains(err.Error(), "parameter program: "+fmt.Sprintf("%q", bad)+", want the name of a program's file") {
				t.Errorf("%s of %q: error %v", name, bad, err)
			}
		}
	}
}

func TestFieldCount(t *testing.T) {
	fault, err := content.FindFault("field_count")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		params content.Params
		want   content.Criterion
	}{
		{nil, content.Criterion{Op: content.Equals, Value: `\\.\pipe\fleetfall`}},
		{content.Params{"criterion": "equals:xyz"}, content.Criterion{Op: content.Equals, Value: "xyz"}},
		{content.Params{"criterion": "prefix:a*"}, content.Criterion{Op: content.Prefix, Value: "a*"}},
		{content.Params{"criterion": "any"}, content.Criterion{}},
	} {
		f, err := content.Decode(mustUpdate(t, fault, 2, c.params))
		if err != nil {
			t.Fatal(err)
		}
		baseline := content.Baseline(2)
		if n := len(baseline.Instances); len(f.Instances) != n+1 || !reflect.DeepEqual(f.Instances[:n], baseline.Instances) {
			t.Errorf("%v: want the baseline's instances and one more, got %+v", c.params, f.Instances)
		}
		criteria := f.Instances[len(f.Instances)-1].Criteria
		want := append(make([]content.Criterion, content.SensorFields), c.want)
		if !slices.Equal(criteria, want) {
			t.Errorf("%v: criteria %v, want %v", c.params, criteria, want)
		}
	}
	_, key := content.TestVendorKey()
	_, err = fault.Update(2, 1, content.Params{"criterion": "equals"}, key)
	if err == nil || !strings.Contains(err.Error(), "fault field_count, parameter criterion: ") {
		t.Errorf("error %v for a bad criterion", err)
	}
}

// Content that is meant to be harmless must be so for an agent with the field-count defect too.
func TestHarmlessContentLeavesTheUnsuppliedFieldAlone(t *testing.T) {
	fault, err := content.FindFault("none")
	if err != nil {
		t.Fatal(err)
	}
	none, err := content.Decode(mustUpdate(t, fault, 2, nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]content.File{"baseline": content.Baseline(1), "update": content.Update(2), "none": none} {
		if n := len(f.Templates[0].Fields); n != content.SensorFields+1 {
			t.Errorf("%s: the template declares %d fields, want %d", name, n, content.SensorFields+1)
		}
		for _, in := range f.Instances {
			if in.TemplateID != content.ProcessTemplate {
				continue
			}
			if c := in.Criteria[content.SensorFields]; c.Op != content.Any {
				t.Errorf("%s, instance %q: criterion %v on the last field, want any", name, in.Name, c)
			}
			if !slices.ContainsFunc(in.Criteria, func(c content.Criterion) bool { return c.Op != content.Any }) {
				t.Errorf("%s, instance %q matches everything", name, in.Name)
			}
		}
	}
}

func TestRefusableContent(t *testing.T) {
	public, private := content.TestVendorKey()
	file := content.Sign(encode(t, content.Baseline(1)), private)
	unsigned, err := content.Unsigned(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := content.Verify(unsigned, public); !errors.Is(err, content.ErrSignature) {
		t.Errorf("unsigned: error %v, want ErrSignature", err)
	}
	if f, err := content.Decode(unsigned); err != nil || !reflect.DeepEqual(f, content.Baseline(1)) {
		t.Errorf("unsigned: its content has changed: %v", err)
	}
	for seed := range uint64(100) {
		if err := content.Verify(contenttest.Damaged(file, seed), public); !errors.Is(err, content.ErrSignature) {
			t.Errorf("damaged, seed %d: error %v, want ErrSignature", seed, err)
		}
	}
	for _, short := range [][]byte{nil, file[:83]} {
		if _, err := content.Unsigned(short); err == nil {
			t.Errorf("a file of %d bytes lost a signature it has no room for", len(short))
		}
		var wrong *content.FormatError
		if err := content.Verify(short, public); !errors.As(err, &wrong) {
			t.Errorf("a file of %d bytes: error %v, want a FormatError", len(short), err)
		}
	}
	other, _, err := ed25519.GenerateKey(strings.NewReader(strings.Repeat("other key", 8)))
	if err != nil {
		t.Fatal(err)
	}
	if err := content.Verify(file, other); !errors.Is(err, content.ErrSignature) {
		t.Errorf("another vendor's key: error %v, want ErrSignature", err)
	}
}

// The reference evaluator stands for an agent without the defect: to it the faulty update is harmless.
func TestFieldCountIsHarmlessWithoutTheDefect(t *testing.T) {
	fault, err := content.FindFault("field_count")
	if err != nil {
		t.Fatal(err)
	}
	f, err := content.Decode(mustUpdate(t, fault, 2, nil))
	if err != nil {
		t.Fatal(err)
	}
	in := make([]string, content.SensorFields)
	if v := contenttest.Evaluate(f, content.ProcessTemplate, in); len(v.Matches) > 0 {
		t.Errorf("verdict %+v, want no match", v)
	}
}

func mustUpdate(t testing.TB, f content.Fault, version uint64, p content.Params) []byte {
	t.Helper()
	_, key := content.TestVendorKey()
	file, err := f.Update(version, 1, p, key)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
