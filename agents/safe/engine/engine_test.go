package engine

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/content/contenttest"
)

func load(t testing.TB, body []byte) (content.File, error) {
	t.Helper()
	public, private := content.TestVendorKey()
	return Load(content.Sign(body, private), public)
}

func encode(t testing.TB, f content.File) []byte {
	t.Helper()
	body, err := content.Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// listed is the verdict with as many matches as agents list.
func listed(v contenttest.Verdict) Verdict {
	out := Verdict{Block: v.Block, Inspect: v.Inspect}
	for _, m := range v.Matches[:min(len(v.Matches), MaxMatches)] {
		out.Matches = append(out.Matches, Match(m))
	}
	return out
}

// simplified is the file as it is loaded: globs without wildcards are comparisons.
func simplified(f content.File) content.File {
	for _, in := range f.Instances {
		for i, c := range in.Criteria {
			if c.Op == content.Glob && !strings.ContainsAny(c.Value, "*?") {
				in.Criteria[i].Op = content.Equals
			}
		}
	}
	return f
}

func TestSemantics(t *testing.T) {
	cases := contenttest.Cases()
	for seed := range uint64(300) {
		cases = append(cases, contenttest.Random(seed))
	}
	for _, c := range cases {
		loaded, err := load(t, encode(t, c.File))
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if want := simplified(c.File); !reflect.DeepEqual(loaded, want) {
			t.Errorf("%s: loaded as\n%+v\nwant\n%+v", c.Name, loaded, want)
		}
		got, err := Evaluate(loaded, c.Template, c.Inputs)
		if want := listed(c.Want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v; want %+v", c.Name, got, err, want)
		}
	}
}

// The update that takes down what is written in C is an error of each event, and takes nothing from the rules before it.
func TestFieldCountIsAnErrorOfTheEvent(t *testing.T) {
	fault, err := content.FindFault("field_count")
	if err != nil {
		t.Fatal(err)
	}
	public, private := content.TestVendorKey()
	file, err := fault.Update(2, 1, nil, private)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Load(file, public)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		image string
		want  Verdict
	}{
		{content.ThreatExecPrefix, Verdict{Block: true, Matches: []Match{{content.RuleThreatExec, content.Block}}}},
		{content.ThreatMarkPrefix, Verdict{Matches: []Match{{content.RuleThreatMark, content.Detect}}}},
		{"work", Verdict{}},
	} {
		inputs := make([]string, content.SensorFields)
		inputs[1] = row.image
		got, err := Evaluate(f, content.ProcessTemplate, inputs)
		if !reflect.DeepEqual(got, row.want) {
			t.Errorf("%s: got %+v, want %+v", row.image, got, row.want)
		}
		if err == nil || !strings.Contains(err.Error(), "instance 100") || !strings.Contains(err.Error(), "index out of range [20]") {
			t.Errorf("%s: error %v, want what is wrong with instance 100", row.image, err)
		}
	}
	if _, err := Evaluate(f, content.FileTemplate, []string{"write", "x", "", "1", "sh", "0"}); err != nil {
		t.Errorf("an event of the other template: %v", err)
	}
}

// What is behind the end of a group, or of the file, is a panic that ends one evaluation or one load.
func TestReadsBehindTheEnd(t *testing.T) {
	group := func(value string) content.File {
		return content.File{Instances: []content.Instance{
			{ID: 1, TemplateID: 5, Criteria: []content.Criterion{{}}},
			{ID: 2, TemplateID: 5, Criteria: []content.Criterion{{Op: content.AnyOfOp, Value: value}}},
			{ID: 3, TemplateID: 5, Criteria: []content.Criterion{{}}},
		}}
	}
	for _, row := range []struct {
		name, value string
		matches     int
		fails       bool
	}{
		{"a group that ends inside an operator", "\x01\x00", 1, true},
		{"a criterion longer than its group", "\x01\x05\x00abc", 1, true},
		{"a length of two bytes", "\x01\xff\x01abc", 1, true},
		{"a match before what is malformed", "\x00\x00\x00\x01\x05", 3, false},
		{"an unknown operator", "\x09\x00\x00", 2, false},
		{"an unknown operator with a length that reaches past the end", "threat", 2, false},
		{"any with a length that reaches past the end", "\x00\xff\xff", 3, false},
	} {
		v, err := Evaluate(group(row.value), 5, []string{"x"})
		if len(v.Matches) != row.matches || (err != nil) != row.fails {
			t.Errorf("%s: %+v, %v; want %d matches, an error: %v", row.name, v, err, row.matches, row.fails)
		}
	}

	baseline := content.Baseline(1)
	last := baseline.Instances[len(baseline.Instances)-1].Criteria
	last[len(last)-1] = content.Criterion{Op: content.Equals, Value: strings.Repeat("v", 200)} // more than a signature is long
	body := encode(t, baseline)
	said := len(body) - headerSize
	for _, row := range []struct {
		name   string
		body   []byte
		length int
		want   string // how the error begins; empty for none
	}{
		{"a payload length of 1 GiB", body, 1 << 30, ""},
		{"a payload length that is too small", body, said - 1, errLength.Error()},
		{"bytes after the last instance", append(bytes.Clone(body), 1, 2, 3), said + 3, ""},
		{"a file that ends before its payload, whose length is right", body[:len(body)-190], said, "malformed: runtime error: slice bounds out of range"},
		{"a file that ends before its payload, whose length is wrong", body[:len(body)-190], said - 190, errLength.Error()},
	} {
		changed := bytes.Clone(row.body)
		binary.LittleEndian.PutUint32(changed[16:], uint32(row.length))
		f, err := load(t, changed)
		if row.want == "" && (err != nil || !reflect.DeepEqual(f, baseline)) {
			t.Errorf("%s: %+v, error %v; want the baseline", row.name, f, err)
		}
		if row.want != "" && (err == nil || !strings.HasPrefix(err.Error(), row.want) || f.Templates != nil) {
			t.Errorf("%s: %v, want %q and no content", row.name, err, row.want)
		}
	}
}

// What becomes of each fault's update: it is refused, an event fails, or neither.
func TestFaults(t *testing.T) {
	type outcome struct{ refused, fails string }
	claims := map[string]outcome{ // parts of the reasons
		"deep_nesting":           {},
		"false_length":           {refused: "malformed: runtime error: slice bounds out of range"},
		"false_positive_system":  {},
		"false_positive_updater": {},
		"field_count":            {fails: "index out of range [20]"},
		"glob_backtracking":      {},
		"memory_exhaustion":      {},
		"none":                   {},
		"replay":                 {},
		"self_wait":              {},
		"truncated":              {refused: "malformed"},
		"unknown_version":        {refused: errFormat.Error()},
		"unsigned":               {refused: errSignature.Error()},
		"zero_filled":            {},
	}
	said := func(err error) string {
		if err == nil {
			return ""
		}
		return err.Error()
	}
	agrees := func(got, want string) bool { return (got == "") == (want == "") && strings.Contains(got, want) }
	public, private := content.TestVendorKey()
	for _, fault := range content.Faults() {
		if fault.Name == "bit_flips" { // what becomes of it is the seed's to say: TestBitFlips
			continue
		}
		want, claimed := claims[fault.Name]
		if !claimed {
			t.Errorf("%s: say here what becomes of it", fault.Name)
			continue
		}
		parameters := content.Params{}
		if fault.Name == "glob_backtracking" { // all that comes of it is the time that it takes
			parameters["stars"] = "2"
		}
		file, err := fault.Update(2, 1, parameters, private)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Load(file, public)
		if got := said(err); !agrees(got, want.refused) {
			t.Errorf("%s: refused with %q, want %q", fault.Name, got, want.refused)
		}
		if err != nil {
			continue
		}
		_, err = Evaluate(f, content.ProcessTemplate, make([]string, content.SensorFields))
		if got := said(err); !agrees(got, want.fails) {
			t.Errorf("%s: an event fails with %q, want %q", fault.Name, got, want.fails)
		}
	}
}

// What one flipped bit of the payload comes to, each of them in turn: in the shares that the fault's text gives; and where it
// changes what is said of an event for which the update has a rule, it does the same in C.
func TestBitFlips(t *testing.T) {
	c := startC(t)
	update := content.Update(2)
	type event struct {
		template uint16
		inputs   []string
		before   string // what the update says of it
	}
	var events []event
	for _, in := range update.Instances {
		e := event{template: in.TemplateID}
		for _, criterion := range in.Criteria[:min(len(in.Criteria), content.SensorFields)] {
			e.inputs = append(e.inputs, criterion.Value) // EQUALS or PREFIX
		}
		v, err := Evaluate(update, e.template, e.inputs)
		if err != nil || len(v.Matches) != 1 {
			t.Fatalf("rule %d: %+v, %v; want an event of its own", in.ID, v, err)
		}
		e.before = describe(v)
		events = append(events, e)
	}
	body := encode(t, update)
	bits := 8 * (len(body) - headerSize)
	refused, changed, astray := 0, 0, 0
	for bit := range bits {
		flipped := bytes.Clone(body)
		flipped[headerSize+bit/8] ^= 1 << (bit % 8)
		f, err := load(t, flipped)
		if err != nil {
			refused++
			continue
		}
		changes, strays := false, false
		for _, e := range events {
			v, err := Evaluate(f, e.template, e.inputs)
			if err == nil && describe(v) == e.before {
				continue
			}
			_, private := content.TestVendorKey()
			c.ask("load %s", hexed(string(content.Sign(flipped, private))))
			c.inputs(e.inputs)
			answer, also := c.try("evaluate %d", e.template)
			if also != (err != nil) || !also && !agree(answer, describe(v)) {
				t.Errorf("bit %d, %q: Go says %q, %v; C %q, and a read of it goes astray: %v", bit, e.inputs, describe(v), err, answer, also)
			}
			changes, strays = true, strays || err != nil
		}
		if changes {
			changed++
		}
		if strays {
			astray++
		}
	}
	t.Logf("of %d bits %d have the file refused, %d change a verdict, and with %d of these a read goes astray", bits, refused, changed, astray)
	if got := 100 * refused / bits; got != 41 && got != 42 {
		t.Errorf("%d of 100 files are refused, want 42", got)
	}
	if got := 1000 * astray / bits; got != 1 && got != 2 {
		t.Errorf("with %d of 1000 files a read goes astray, want one or two", got)
	}
}

func FuzzLoad(f *testing.F) {
	seedBodies(f, func(body []byte, _ contenttest.Case) { f.Add(body) })
	public, private := content.TestVendorKey()
	f.Fuzz(func(t *testing.T, body []byte) {
		file := content.Sign(body, private)
		loaded, err := Load(file, public)
		decoded, strict := content.Decode(file)
		if strict == nil && (err != nil || !reflect.DeepEqual(loaded, simplified(decoded))) {
			t.Errorf("of the format, and loaded as %+v, %v", loaded, err)
		}
	})
}

func FuzzEvaluate(f *testing.F) {
	seedBodies(f, func(body []byte, c contenttest.Case) { f.Add(body, c.Template, c.Inputs[0]) })
	public, private := content.TestVendorKey()
	f.Fuzz(func(t *testing.T, body []byte, template uint16, input string) {
		file := content.Sign(body, private)
		loaded, err := Load(file, public)
		if err != nil || len(input) > 64 || mayTakeForEver(loaded) {
			return
		}
		inputs := make([]string, content.SensorFields)
		for i := range inputs {
			inputs[i] = input
		}
		got, err := Evaluate(loaded, template, inputs)
		if _, strict := content.Decode(file); strict != nil || err != nil {
			return
		}
		if want := listed(contenttest.Evaluate(loaded, template, inputs)); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// mayTakeForEver tells whether a glob can: that it does is no finding.
func mayTakeForEver(f content.File) bool {
	for _, in := range f.Instances {
		for _, c := range in.Criteria {
			if strings.Count(c.Value, "*") > 4 {
				return true
			}
		}
	}
	return false
}

// seedBodies gives add the table's content and some at random.
func seedBodies(f *testing.F, add func(body []byte, c contenttest.Case)) {
	cases := contenttest.Cases()
	for seed := range uint64(50) {
		cases = append(cases, contenttest.Random(seed))
	}
	for _, c := range cases {
		add(encode(f, c.File), c)
	}
}
