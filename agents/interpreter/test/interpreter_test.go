package test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/content/contenttest"
)

// allChecks is FF_CHECK_ALL: with them the interpreter accepts what content.Decode does, and nothing else.
const allChecks = 7

func TestInterpreter(t *testing.T) {
	forEachCompiler(t, func(t *testing.T, compiler string) {
		for _, build := range builds {
			t.Run(build.name, func(t *testing.T) { testBuild(t, buildDriver(t, compiler, build)) })
		}
	})
}

func testBuild(t *testing.T, program string) {
	for _, part := range []struct {
		name   string
		checks int
		run    func(*testing.T, *driver)
	}{
		{"semantics", 0, testSemantics},
		{"semantics with all checks", allChecks, testSemantics},
		{"random content", 0, testRandomContent},
		{"random content with all checks", allChecks, testRandomContent},
		{"every byte", 0, testEveryByte},
		{"buckets", 0, testBuckets},
		{"buckets with all checks", allChecks, testBuckets},
		{"refusals", allChecks, testRefusals},
		{"truncated content", allChecks, testTruncatedContent},
		{"mutated content", allChecks, testMutatedContent},
		{"largest content", allChecks, testLargestContent},
		{"sha512", 0, testSHA512},
		{"rfc 8032", 0, testRFC8032},
		{"signatures", 0, testSignatures},
		{"invalid signatures", 0, testInvalidSignatures},
	} {
		t.Run(part.name, func(t *testing.T) {
			d := start(t, program)
			key, _ := content.TestVendorKey()
			d.ask("key %s", hexed(key))
			d.ask("checks %d", part.checks)
			part.run(t, d)
			if said, err := d.finish(); err != nil {
				t.Errorf("the driver ended with %v:\n%s", err, said)
			}
		})
	}
}

func testSemantics(t *testing.T, d *driver) {
	for _, c := range contenttest.Cases() {
		checkCase(t, d, c)
	}
}

func testRandomContent(t *testing.T, d *driver) {
	for seed := range uint64(300) {
		checkCase(t, d, contenttest.Random(seed))
	}
}

// checkCase wants the content to be loaded as it was written and evaluated as it is meant.
func checkCase(t *testing.T, d *driver, c contenttest.Case) {
	t.Helper()
	if got, want := d.ask("load %s", hexed(signed(t, c.File))), describe(c.File); got != want {
		t.Errorf("%s: loaded as\n%s\nwant\n%s", c.Name, got, want)
		return
	}
	for field := range content.SensorFields {
		value := ""
		if field < len(c.Inputs) {
			value = c.Inputs[field]
		}
		d.ask("input %d %s", field, hexed(value))
	}
	if got, want := d.ask("evaluate %d", c.Template), describeVerdict(c.Want); got != want {
		t.Errorf("%s: verdict %q, want %q", c.Name, got, want)
	}
}

func signed(t testing.TB, f content.File) []byte {
	t.Helper()
	body, err := content.Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	_, key := content.TestVendorKey()
	return content.Sign(body, key)
}

// describe is the driver's answer to loading f.
func describe(f content.File) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ok version=%d templates=", f.Version)
	for _, t := range f.Templates {
		fmt.Fprintf(&b, "%d/%d,", t.ID, len(t.Fields))
	}
	for _, in := range f.Instances {
		fmt.Fprintf(&b, " %d/%d/%d/%s", in.ID, in.TemplateID, uint8(in.Action), hexed(in.Name))
		for _, c := range in.Criteria {
			op := c.Op
			if op == content.Glob && !strings.ContainsAny(c.Value, "*?") {
				op = content.Equals // as the loader simplifies it
			}
			fmt.Fprintf(&b, ",%d:%s", uint8(op), hexed(c.Value))
		}
	}
	return b.String()
}

func describeVerdict(v contenttest.Verdict) string {
	const listed = 8 // FF_MAX_MATCHES
	block := 0
	if v.Block {
		block = 1
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d", block, len(v.Matches))
	for _, m := range v.Matches[:min(len(v.Matches), listed)] {
		fmt.Fprintf(&b, " %d:%d", m.ID, uint8(m.Action))
	}
	if v.Inspect {
		b.WriteString(" inspect")
	}
	return b.String()
}

// Each reason for a refusal, by what brings it about.
func testRefusals(t *testing.T, d *driver) {
	_, key := content.TestVendorKey()
	// One template (id 5, "tt", fields "a" and "b") at byte 22, and one instance (id 6, "i") at byte 34.
	good, err := content.Encode(content.File{
		Version:   1,
		Templates: []content.Template{{ID: 5, Name: "tt", Fields: []string{"a", "b"}}},
		Instances: []content.Instance{{
			ID: 6, TemplateID: 5, Name: "i", Criteria: []content.Criterion{{Op: content.Equals, Value: "vvv"}, {}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	set := func(offset int, with ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[offset:], with)
		return content.Sign(b, key)
	}
	// splice replaces n bytes at offset and corrects the payload's length.
	splice := func(offset, n int, with ...byte) []byte {
		b := append(append(bytes.Clone(good[:offset]), with...), good[offset+n:]...)
		binary.LittleEndian.PutUint32(b[16:], uint32(len(b)-20))
		return content.Sign(b, key)
	}
	file := content.Sign(good, key)
	unsigned, err := content.Unsigned(file)
	if err != nil {
		t.Fatal(err)
	}
	damaged := contenttest.Damaged(file, 1)
	template, instance := good[22:32], good[34:]
	const (
		tooShort     = "refused 1 too short for a channel file"
		tooLong      = "refused 2 longer than a channel file may be"
		badMagic     = "refused 3 not a channel file"
		badFormat    = "refused 4 unknown format or flags"
		badSignature = "refused 5 signature is not the vendor's"
		badLength    = "refused 6 a length does not agree with the file's size"
		badTemplate  = "refused 7 malformed template"
		badInstance  = "refused 8 malformed instance"
		badCriterion = "refused 9 malformed criterion"
		tooMany      = "refused 10 too many templates or instances"
	)
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, tooShort},
		{"less than a header", file[:19], tooShort},
		{"a header", file[:20], tooShort},
		{"no room for a signature", file[:83], tooShort},
		{"one byte too long", make([]byte, content.MaxFile+1), tooLong},
		{"longest, of zeros", make([]byte, content.MaxFile), badSignature},
		{"unsigned", unsigned, badSignature},
		{"damaged", damaged, badSignature},
		{"cut short", file[:len(file)-1], badSignature},
		{"appended to", append(bytes.Clone(file), 0), badSignature},
		{"magic", set(3, 'X'), badMagic},
		{"format", set(4, 2), badFormat},
		{"format's upper byte", set(5, 1), badFormat},
		{"flags", set(6, 1), badFormat},
		{"flags' upper byte", set(7, 0x80), badFormat},
		{"payload length one less", set(16, good[16]-1), badLength},
		{"payload length of 4 GiB", set(19, 0xff), badLength},
		{"no payload", content.Sign([]byte("FFCH\x01\x00\x00\x00verseven\x00\x00\x00\x00"), key), badLength},
		{"left over", splice(len(good), 0, 0), badLength},
		{"17 templates", set(20, 17), tooMany},
		{"256 templates", set(20, 0, 1), tooMany},
		{"a template more than there are", set(20, 2), badTemplate},
		{"template name empty", set(24, 0), badTemplate},
		{"template name too long", splice(24, 3, append([]byte{65}, make([]byte, 65)...)...), badTemplate},
		{"no fields", set(27, 0), badTemplate},
		{"65 fields", set(27, 65), badTemplate},
		{"field name empty", set(28, 0), badTemplate},
		{"field name past the end", set(30, 64), badLength},
		{"same template twice", splice(20, 2, append([]byte{2, 0}, template...)...), badTemplate},
		{"1025 instances", set(32, 1, 4), tooMany},
		{"an instance more than there are", set(32, 2), badLength},
		{"same instance twice", splice(32, 2, append([]byte{2, 0}, instance...)...), badInstance},
		{"unknown template", set(38, 9), badInstance},
		{"unknown action", set(40, 3), badInstance},
		{"instance name empty", set(41, 0), badInstance},
		{"a criterion more than fields", splice(43, 1, 3, 0, 0, 0), badInstance},
		{"a criterion less than fields", set(43, 1), badInstance},
		{"no criteria", set(43, 0), badInstance},
		{"unknown operator", set(44, 7), badCriterion},
		{"a group that ends inside a criterion", set(44, 5), badCriterion},
		{"a group of nothing", splice(44, 6, 6, 0, 0), badCriterion},
		{"an unknown operator in a group", splice(44, 6, 6, 3, 0, 7, 0, 0), badCriterion},
		{"groups 8 deep", splice(44, 6, deep(8)...), ""},
		{"groups 9 deep", splice(44, 6, deep(9)...), badCriterion},
		{"any with a value", set(44, 0), badCriterion},
		{"value of 257 bytes", splice(45, 5, append([]byte{1, 1}, make([]byte, 257)...)...), badCriterion},
		{"value past the end", set(45, 200), badLength},
		{"value of 256 bytes", splice(45, 5, append([]byte{0, 1}, make([]byte, 256)...)...), ""},
		{"whole", file, ""},
	} {
		got := d.ask("load %s", hexed(c.file))
		if c.want != "" && got != c.want || c.want == "" && !strings.HasPrefix(got, "ok ") {
			t.Errorf("%s: %.80s, want %q", c.name, got, c.want)
		}
		version, _ := content.Version(c.file)
		if got, want := d.ask("version %s", hexed(c.file)), fmt.Sprint(version); got != want {
			t.Errorf("%s: it claims version %s, want %s", c.name, got, want)
		}
	}
	otherKey := bytes.Repeat([]byte{0x58}, 32)
	d.ask("key %s", hexed(otherKey))
	if got := d.ask("load %s", hexed(file)); got != badSignature {
		t.Errorf("another vendor's key: %.80s, want %q", got, badSignature)
	}
}

// deep is a criterion in so many groups, encoded.
func deep(groups int) []byte {
	b := []byte{byte(content.Any), 0, 0}
	for range groups {
		b = append([]byte{byte(content.AnyOfOp), byte(len(b)), 0}, b...)
	}
	return b
}

// A payload that ends too soon, wherever it does, with a header and a signature that are right.
func testTruncatedContent(t *testing.T, d *driver) {
	_, key := content.TestVendorKey()
	f := content.Update(1)
	for i := range f.Instances {
		f.Instances[i].Criteria[3] = content.Criterion{Op: content.Contains, Value: strings.Repeat("v", 200)}
	}
	body, err := content.Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	for n := 20; n < len(body); n++ {
		cut := bytes.Clone(body[:n])
		binary.LittleEndian.PutUint32(cut[16:], uint32(n-20))
		want := "refused 6 a length does not agree with the file's size"
		if got := d.ask("load %s", hexed(content.Sign(cut, key))); got != want {
			t.Errorf("cut to %d of %d bytes: %.80s, want %q", n, len(body), got, want)
		}
	}
}

// Go and C agree on which signed files are of the format, whatever is wrong with them.
func testMutatedContent(t *testing.T, d *driver) {
	_, key := content.TestVendorKey()
	accepted := 0
	const n = 1500
	for seed := range uint64(n) {
		chance := rand.New(rand.NewPCG(seed, 7))
		body, err := content.Encode(contenttest.Random(seed % 50).File)
		if err != nil {
			t.Fatal(err)
		}
		for range chance.IntN(3) {
			body = mutate(chance, body)
		}
		if chance.IntN(2) == 0 && len(body) >= 20 {
			binary.LittleEndian.PutUint32(body[16:], uint32(len(body)-20))
		}
		file := content.Sign(body, key)
		decoded, err := content.Decode(file)
		want := "refused"
		if err == nil {
			want = describe(decoded)
			accepted++
		}
		if got := d.ask("load %s", hexed(file)); got != want && !(err != nil && strings.HasPrefix(got, want)) {
			t.Errorf("seed %d: C says %.200s, Go says %.200s (%v)", seed, got, want, err)
		}
	}
	if accepted < n/10 || accepted > n*9/10 {
		t.Errorf("%d of %d files were accepted; want a mixture", accepted, n)
	}
}

func mutate(chance *rand.Rand, b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	at := chance.IntN(len(b))
	switch chance.IntN(5) {
	case 0:
		return b[:at]
	case 1:
		return append(b[:at:at], b[at+1:]...)
	case 2:
		return append(append(b[:at:at], byte(chance.IntN(4))), b[at:]...)
	case 3:
		b[at] = byte(chance.IntN(256))
	default:
		b[at] += byte(chance.IntN(3)) - 1
	}
	return b
}

// Most of everything at once, within the longest file.
func testLargestContent(t *testing.T, d *driver) {
	f := content.File{Version: 1<<64 - 1}
	for id := range uint16(content.MaxTemplates) {
		tmpl := content.Template{ID: 0xffff - id, Name: strings.Repeat("t", content.MaxName)}
		for range content.MaxFields {
			tmpl.Fields = append(tmpl.Fields, strings.Repeat("f", content.MaxName))
		}
		f.Templates = append(f.Templates, tmpl)
	}
	for id := range uint32(content.MaxInstances) {
		in := content.Instance{
			ID:         0xffffffff - id,
			TemplateID: f.Templates[id%content.MaxTemplates].ID,
			Name:       strings.Repeat("i", content.MaxName),
			Criteria:   make([]content.Criterion, content.MaxFields),
		}
		for i := range 2 {
			in.Criteria[i*9] = content.Criterion{Op: content.Glob, Value: strings.Repeat("*a", content.MaxValue/2)}
		}
		f.Instances = append(f.Instances, in)
	}
	in := make([]string, content.SensorFields)
	for i := range in {
		in[i] = strings.Repeat("a", 127)
	}
	for _, tmpl := range f.Templates[:2] {
		checkCase(t, d, contenttest.Case{
			Name: "largest", File: f, Template: tmpl.ID, Inputs: in, Want: contenttest.Evaluate(f, tmpl.ID, in),
		})
	}
}
