package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unsafe"

	"github.com/fleetfall/fleetfall/agents/content"
)

// What the interpreter has no way to do or hold is refused, with the reason that the guest program is told.
func TestRefused(t *testing.T) {
	one := func(c content.Criterion) content.File {
		f := content.First(1)
		f.Instances[0].Criteria[0] = c
		return f
	}
	rules := func(n, tests int) content.File {
		f := content.First(1)
		in := f.Instances[0]
		f.Instances = nil
		for id := range n {
			in.ID, in.Criteria = uint32(id), make([]content.Criterion, len(in.Criteria))
			for field := range tests {
				in.Criteria[field] = content.Criterion{Op: content.Prefix, Value: "x"}
			}
			f.Instances = append(f.Instances, in)
		}
		return f
	}
	inspect := content.First(1)
	inspect.Instances[0].Action = content.Inspect
	group := strings.Repeat("\x01\x00\x00", 2*maxSteps) // criteria: equals nothing
	for _, row := range []struct {
		name string
		file content.File
		want string // "" for accepted
	}{
		{"baseline", content.Baseline(1), ""},
		{"as many instances as the format allows", rules(content.MaxInstances, 2), ""},
		{"inspect", inspect, "rule 1: inspect is not supported: a BPF program cannot start another program"},
		{"too many steps", rules(content.MaxInstances, 4), "its rules come to more than 4096 steps"},
		{"a group too large", one(content.Criterion{Op: content.AnyOfOp, Value: group}), "its rules come to more than 4096 steps"},
		{"a group of half a criterion", one(content.Criterion{Op: content.AllOfOp, Value: "\x01"}), "rule 1: a group ends inside a criterion"},
		{"a text taken for a group", one(content.Criterion{Op: content.AllOfOp, Value: "threat-exec"}), "rule 1: a criterion of 29288 bytes reaches past its group's end"},
		{"an unknown operator in a group", one(content.AnyOf(content.Criterion{Op: 9})), "rule 1: op 9 is not supported"},
		{"more rules than the format allows", rules(content.MaxInstances+1, 1), ""},
		{"a value too long", one(content.Criterion{Op: content.Equals, Value: strings.Repeat("x", content.MaxValue+1)}), "rule 1: a value of 257 bytes, more than 256"},
		{"an unknown operator", one(content.Criterion{Op: 7}), "rule 1: op 7 is not supported"},
	} {
		_, err := compile(row.file)
		if got := strings.TrimPrefix(fmt.Sprint(err), "<nil>"); got != row.want {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}

// Every step leads on to a later one: an evaluation comes to its end whatever the content says.
func TestStepsLeadOn(t *testing.T) {
	f := content.Update(1)
	f.Instances[0].Criteria[3] = content.AnyOf(content.AllOf(content.Criterion{}, content.Criterion{Op: content.Glob, Value: "*"}), content.Criterion{Op: content.Equals})
	steps, err := compile(f)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range steps {
		for _, next := range []uint16{s.Then, s.Otherwise} {
			if int(next) <= i || int(next) >= len(steps) && next != theEnd {
				t.Errorf("step %d of %d leads to %d", i, len(steps), next)
			}
		}
	}
}

// The codes, bounds and sizes that both sides of the maps have. The enums of fields are held against agents/content where those
// of the C interpreter are: agents/interpreter/test.
func TestHeaders(t *testing.T) {
	header := ""
	for _, name := range []string{"bpf/event.h", "bpf/interpreter.h", "../interpreter/interpreter.h"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		header += string(data)
	}
	for name, want := range map[string]int{
		"MAX_PATTERN": maxPattern, "ANY_BYTE": anyByte, "ANY_RUN": anyRun, "TEXT": maxText, "MAX_MATCHES": maxMatches,
		"FF_INPUTS": content.SensorFields, "FF_PROCESS": int(content.ProcessTemplate), "FF_FILE": int(content.FileTemplate),
		"FF_FILE_INPUTS": len(content.FileFields()), "FF_MAX_MATCHES": maxMatches, "FF_BLOCK": int(content.Block),
	} {
		found := regexp.MustCompile(`(?m)^#define `+name+` (\d+)u?\b`).FindAllStringSubmatch(header, -1)
		if len(found) == 0 {
			t.Errorf("%s is not defined", name)
		}
		for _, f := range found {
			if f[1] != fmt.Sprint(want) {
				t.Errorf("%s is %s, want %d", name, f[1], want)
			}
		}
	}
	const stepSize = 532 // 16 bytes and the pattern
	if got := unsafe.Sizeof(step{}); got != stepSize {
		t.Errorf("a step has %d bytes, want %d", got, stepSize)
	}
}

func TestParseDetection(t *testing.T) {
	record := []byte("\x07\x00\x00\x00\x11\x00\x00\x00\x01\x00\x00\x00\x05\x00\x00\x00/a\nb\xffrest")
	d, err := parseDetection(record)
	if err != nil || d.rule != 7 || d.pid != 17 || d.word() != "block" || string(d.what) != "/a?b\xff" {
		t.Errorf("got %+v, %v", d, err)
	}
	for _, short := range [][]byte{nil, record[:15], record[:20]} {
		if d, err := parseDetection(short); err == nil {
			t.Errorf("%q: got %+v", short, d)
		}
	}
}

// What this agent says to each fault's update; what is not here it loads.
func TestFaults(t *testing.T) {
	refused := map[string]string{ // part of the reason
		"bit_flips": "malformed", "false_length": "malformed", "memory_exhaustion": "come to more than 4096 steps",
		"self_wait": "inspect is not supported", "truncated": "malformed", "unknown_version": "unknown format",
		"unsigned": "signature is not the vendor's",
	}
	_, key := content.TestVendorKey()
	for _, f := range content.Faults() {
		const version, seed = 12, 291
		file, err := f.Update(version, seed, nil, key)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "current.bin")
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		claimed, _, err := readContent(path)
		if want := refused[f.Name]; (err == nil) != (want == "") || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: got %v, want %q", f.Name, err, want)
		}
		if f.Name != "replay" && claimed != version {
			t.Errorf("%s: version %d, want %d", f.Name, claimed, version)
		}
	}
}
