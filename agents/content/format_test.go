package content_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/content/contenttest"
)

var update = flag.Bool("update", false, "write the golden files")

// The format must not drift: images built by an older version read content made by a newer one.
func TestGolden(t *testing.T) {
	for name, file := range map[string]content.File{
		"baseline.hex": content.Baseline(1),
		"update.hex":   content.Update(2),
		"operators.hex": {
			Version: 0x0807060504030201,
			Templates: []content.Template{
				{ID: 0x0201, Name: "t", Fields: []string{"a", "b", "c", "d", "e"}},
				{ID: 0, Name: "empty", Fields: []string{"x"}},
			},
			Instances: []content.Instance{{
				ID: 0x04030201, TemplateID: 0x0201, Action: content.Block, Name: "all operators",
				Criteria: []content.Criterion{
					{}, {Op: content.Equals, Value: "e"}, {Op: content.Prefix, Value: "p\x00"},
					{Op: content.Contains}, {Op: content.Glob, Value: "g*?"},
				},
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, key := content.TestVendorKey()
			got := []byte(hex.Dump(content.Sign(encode(t, file), key)))
			path := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("encoded:\n%swant:\n%s(with -update the file is written again)", got, want)
			}
		})
	}
}

func TestRoundTrip(t *testing.T) {
	_, key := content.TestVendorKey()
	check := func(c contenttest.Case) {
		t.Helper()
		file := content.Sign(encode(t, c.File), key)
		got, err := content.Decode(file)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		if !reflect.DeepEqual(normal(got), normal(c.File)) {
			t.Errorf("%s: decoded %+v, want %+v", c.Name, got, c.File)
		}
		if v, err := content.Version(file); err != nil || v != c.File.Version {
			t.Errorf("%s: version %d, %v; want %d", c.Name, v, err, c.File.Version)
		}
	}
	for _, c := range contenttest.Cases() {
		check(c)
	}
	for seed := range uint64(200) {
		check(contenttest.Random(seed))
	}
}

// normal makes no difference between nil and empty slices.
func normal(f content.File) content.File {
	f.Templates = append([]content.Template{}, f.Templates...)
	f.Instances = append([]content.Instance{}, f.Instances...)
	return f
}

func TestLimits(t *testing.T) {
	name := strings.Repeat("n", content.MaxName)
	value := strings.Repeat("v", content.MaxValue)
	fields := func(n int) []string { return strings.Split(strings.Repeat("f ", n)[:2*n-1], " ") }
	templates := func(n int) (all []content.Template) {
		for id := range n {
			all = append(all, content.Template{ID: uint16(id), Name: name, Fields: fields(1)})
		}
		return all
	}
	instances := func(n int, c content.Criterion) (all []content.Instance) {
		for id := range n {
			all = append(all, content.Instance{ID: uint32(id), Name: name, Criteria: []content.Criterion{c}})
		}
		return all
	}
	one := func(change func(*content.Instance)) content.File {
		all := instances(1, content.Criterion{})
		change(&all[0])
		return content.File{Templates: templates(1), Instances: all}
	}
	_, key := content.TestVendorKey()
	for _, c := range []struct {
		name string
		file content.File
		want string // part of the error; empty if the file is good
	}{
		{"nothing", content.File{}, ""},
		{"most of each", content.File{
			Templates: templates(16), Instances: instances(1024, content.Criterion{Op: content.Glob, Value: value}),
		}, ""},
		{"most fields", content.File{Templates: []content.Template{{Name: "t", Fields: fields(64)}}}, ""},
		{"too many templates", content.File{Templates: templates(17)}, "17 templates, want at most 16"},
		{"too many instances", content.File{Templates: templates(1), Instances: instances(1025, content.Criterion{})},
			"1025 instances, want at most 1024"},
		{"too many fields", content.File{Templates: []content.Template{{ID: 4, Name: "t", Fields: fields(65)}}},
			"template 4 declares 65 fields, want 1 to 64"},
		{"no fields", content.File{Templates: []content.Template{{ID: 4, Name: "t"}}},
			"template 4 declares 0 fields, want 1 to 64"},
		{"same template twice", content.File{Templates: append(templates(2), templates(1)...)},
			"template 0 is there already"},
		{"template without a name", content.File{Templates: []content.Template{{ID: 4, Fields: fields(1)}}},
			"template 4: a name of 0 bytes, want 1 to 64"},
		{"field without a name", content.File{Templates: []content.Template{{ID: 4, Name: "t", Fields: []string{"a", ""}}}},
			"template 4, field 1: a name of 0 bytes"},
		{"name too long", one(func(in *content.Instance) { in.Name = name + "n" }),
			"instance 0: a name of 65 bytes, want 1 to 64"},
		{"same instance twice",
			content.File{Templates: templates(1), Instances: append(instances(2, content.Criterion{}), instances(1, content.Criterion{})...)},
			"instance 0 is there already"},
		{"unknown template", one(func(in *content.Instance) { in.TemplateID = 9 }),
			"instance 0 is of template 9, which the file does not hold"},
		{"unknown action", one(func(in *content.Instance) { in.Action = 3 }), "instance 0: unknown action 3"},
		{"too few criteria", one(func(in *content.Instance) { in.Criteria = nil }),
			"instance 0 has 0 criteria, its template 0 declares 1 fields"},
		{"too many criteria", one(func(in *content.Instance) { in.Criteria = make([]content.Criterion, 2) }),
			"instance 0 has 2 criteria, its template 0 declares 1 fields"},
		{"unknown operator", one(func(in *content.Instance) { in.Criteria[0].Op = 7 }),
			"instance 0, criterion 0: unknown operator 7"},
		{"a group of nothing", one(func(in *content.Instance) { in.Criteria[0] = content.AllOf() }),
			"instance 0, criterion 0: a group of nothing"},
		{"a long value in a group", one(func(in *content.Instance) {
			in.Criteria[0] = content.AnyOf(content.Criterion{Op: content.Equals, Value: value + "v"})
		}), "instance 0, criterion 0: a value of 257 bytes"},
		{"groups too deep", one(func(in *content.Instance) {
			for range content.MaxDepth + 1 {
				in.Criteria[0] = content.AnyOf(in.Criteria[0])
			}
		}), "instance 0, criterion 0: groups are nested more than 8 deep"},
		{"any with a value", one(func(in *content.Instance) { in.Criteria[0].Value = "v" }),
			"instance 0, criterion 0: any with a value of 1 bytes"},
		{"value too long", one(func(in *content.Instance) {
			in.Criteria[0] = content.Criterion{Op: content.Equals, Value: value + "v"}
		}), "instance 0, criterion 0: a value of 257 bytes, want at most 256"},
		{"file too long", tooLong(value), "bytes, want at most 1048576"},
	} {
		body, err := content.Encode(c.file)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want == "":
			if _, err := content.Decode(content.Sign(body, key)); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		case err == nil || !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

// tooLong keeps every limit but that of the whole file.
func tooLong(value string) content.File {
	f := content.File{Templates: []content.Template{{Name: "t", Fields: strings.Fields("a b c d e f")}}}
	for id := range uint32(1000) {
		in := content.Instance{ID: id, Name: "i"}
		for range 6 {
			in.Criteria = append(in.Criteria, content.Criterion{Op: content.Equals, Value: value})
		}
		f.Instances = append(f.Instances, in)
	}
	return f
}

func TestDecodeErrors(t *testing.T) {
	// One template (id 5, "tt", fields "a" and "b") at byte 22, and one instance (id 6, "i") at byte 33.
	good := encode(t, content.File{
		Version:   1,
		Templates: []content.Template{{ID: 5, Name: "tt", Fields: []string{"a", "b"}}},
		Instances: []content.Instance{{
			ID: 6, TemplateID: 5, Name: "i", Criteria: []content.Criterion{{Op: content.Equals, Value: "vvv"}, {}},
		}},
	})
	set := func(offset int, with ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[offset:], with)
		return b
	}
	resize := func(b []byte) []byte { // corrects the payload's length
		b[16] = byte(len(b) - 20)
		return b
	}
	for _, c := range []struct {
		name   string
		body   []byte
		offset int
		want   string
	}{
		{"empty", nil, 64, "a header and a signature take 84 bytes"},
		{"magic", set(0, 'X'), 0, `it begins with "XFCH", want "FFCH"`},
		{"format", set(4, 2), 4, "unknown format 2, want 1"},
		{"flags", set(6, 1), 6, "unknown flags 0x0001"},
		{"payload length", set(16, 200), 16, "said to have 200 bytes, the file holds"},
		{"payload length beyond 31 bits", set(19, 0xff), 16, "said to have 42781"},
		{"too many templates", set(20, 17), 20, "17 templates, want at most 16"},
		{"template name empty", set(24, 0), 24, "a template's name: a name of 0 bytes"},
		{"template name past the end", set(24, 255), 25, "a template's name of 255 bytes reaches past the payload's end"},
		{"no fields", set(27, 0), 27, "template 5 declares 0 fields"},
		{"too many instances", set(32, 1, 4), 32, "1025 instances, want at most 1024"},
		{"unknown template", set(38, 9), 43, "instance 6 is of template 9"},
		{"unknown action", set(40, 3), 34, "instance 6: unknown action 3"},
		{"criteria count", resize(append(set(43, 3), 0, 0, 0)), 43, "instance 6 has 3 criteria, its template 5 declares 2"},
		{"unknown operator", set(44, 7), 34, "instance 6, criterion 0: unknown operator 7"},
		{"a criterion past its group's end", set(44, 5), 34, "instance 6, criterion 0: a criterion of 30326 bytes reaches past its group's end"},
		{"value past the end", set(45, 50), 47, "a criterion's value of 50 bytes reaches past the payload's end at byte 53"},
		{"any with a value", set(44, 0), 34, "criterion 0: any with a value of 3 bytes"},
		{"left over", resize(append(bytes.Clone(good), 0, 0)), 53, "2 bytes are left over after the last instance"},
		{"cut short", resize(bytes.Clone(good[:52])), 51, "the length of a criterion's value of 2 bytes reaches past"},
		{"too long", make([]byte, content.MaxFile), content.MaxFile, "goes on to 1048640 bytes, want at most 1048576"},
	} {
		_, err := content.Decode(append(c.body, make([]byte, 64)...))
		var wrong *content.FormatError
		if !errors.As(err, &wrong) {
			t.Errorf("%s: error %v, want a FormatError", c.name, err)
			continue
		}
		if wrong.Offset != c.offset || !strings.Contains(wrong.What, c.want) {
			t.Errorf("%s: error %q at byte %d, want %q at byte %d", c.name, wrong.What, wrong.Offset, c.want, c.offset)
		}
	}
}

// Every file cut short is refused with an error, wherever it ends, and so is its version where the header is not whole.
func TestTruncatedEverywhere(t *testing.T) {
	_, key := content.TestVendorKey()
	file := content.Sign(encode(t, content.Baseline(3)), key)
	for n := range file {
		if _, err := content.Decode(file[:n]); err == nil {
			t.Errorf("cut to %d bytes it is accepted", n)
		}
		if v, err := content.Version(file[:n]); (err == nil) != (n >= 20) || err == nil && v != 3 {
			t.Errorf("cut to %d bytes its version is %d, %v", n, v, err)
		}
	}
}

// What Decode accepts is the one encoding of what it returns.
func FuzzDecode(f *testing.F) {
	_, key := content.TestVendorKey()
	for _, c := range contenttest.Cases()[:20] {
		f.Add(content.Sign(encode(f, c.File), key))
	}
	for seed := range uint64(20) {
		file := content.Sign(encode(f, contenttest.Random(seed).File), key)
		f.Add(file)
		f.Add(contenttest.Damaged(file, seed))
	}
	f.Add([]byte("FFCH"))
	f.Fuzz(func(t *testing.T, file []byte) {
		got, err := content.Decode(file)
		if err != nil {
			var wrong *content.FormatError
			if !errors.As(err, &wrong) || wrong.Offset < 0 || wrong.Offset > len(file) {
				t.Errorf("error %#v for a file of %d bytes, want a FormatError inside it", err, len(file))
			}
			return
		}
		body, err := content.Encode(got)
		if err != nil {
			t.Fatalf("decoded content does not encode: %v", err)
		}
		if !bytes.Equal(body, file[:len(file)-64]) {
			t.Errorf("encoded again it differs:\n%x\n%x", body, file)
		}
	})
}

func encode(t testing.TB, f content.File) []byte {
	t.Helper()
	body, err := content.Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
