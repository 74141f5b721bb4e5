package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/rlimit"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/content/contenttest"
	"github.com/fleetfall/fleetfall/internal/capability"
)

const (
	maxMatches = 8
	maxText    = 8192
)

// An event is struct event of bpf/event.h, byte for byte.
type event struct {
	Busy       uint32
	TemplateID uint16
	NInputs    uint16
	Inputs     [content.SensorFields]struct{ At, Len uint16 }
	Block      uint32
	NMatches   uint32
	Matches    [maxMatches]struct{ Rule, Action uint32 }
	_          [6]uint32 // where the interpreter is
	Text       [maxText]byte
}

// An interpreter is the BPF interpreter in this machine's kernel, run on request.
type interpreter struct {
	programs *programs
	evaluate *ebpf.Program
}

func newInterpreter(t *testing.T) *interpreter {
	t.Helper()
	capability.Tools(t, "clang", "clang")
	capability.Need(t, rlimit.RemoveMemlock() == nil && mayLoad(), "the right to load BPF programs", "run the tests as root")
	object := filepath.Join(t.TempDir(), "evaluate.o")
	out, err := exec.Command("clang", "-O2", "-g", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-target", "bpf", "-mcpu=v3",
		"-I", "/usr/include/x86_64-linux-gnu", "-c", "testdata/evaluate.bpf.c", "-o", object).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	spec, err := ebpf.LoadCollectionSpec(object)
	if err != nil {
		t.Fatal(err)
	}
	collection, err := ebpf.NewCollection(spec)
	if err != nil {
		if refused := (*ebpf.VerifierError)(nil); errors.As(err, &refused) {
			t.Fatalf("%+v", refused)
		}
		t.Fatal(err)
	}
	t.Cleanup(collection.Close)
	return &interpreter{
		programs: &programs{collection: collection, steps: spec.Maps["content"].InnerMap},
		evaluate: collection.Programs["evaluate_event"],
	}
}

// mayLoad tells whether this process may load a program at all.
func mayLoad() bool {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SocketFilter, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return false
	}
	p.Close()
	return true
}

// verdict evaluates one event over content.
func (in *interpreter) verdict(t *testing.T, f content.File, template uint16, inputs []string) contenttest.Verdict {
	t.Helper()
	steps, err := compile(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.programs.use(steps); err != nil {
		t.Fatal(err)
	}
	return in.evaluateLoaded(t, template, inputs)
}

func (in *interpreter) evaluateLoaded(t *testing.T, template uint16, inputs []string) contenttest.Verdict {
	t.Helper()
	e := event{Busy: 1, TemplateID: template, NInputs: uint16(len(inputs))}
	used := 0
	for i, text := range inputs {
		e.Inputs[i].At, e.Inputs[i].Len = uint16(used), uint16(len(text))
		used += copy(e.Text[used:], text)
	}
	events := in.programs.collection.Maps["events"]
	if err := events.Put(uint32(0), &e); err != nil {
		t.Fatal(err)
	}
	const leastPacket = 14 // bytes that a program of this type wants to be given
	failed, err := in.evaluate.Run(&ebpf.RunOptions{Data: make([]byte, leastPacket)})
	if err != nil || failed != 0 {
		t.Fatalf("run: %d, %v", failed, err)
	}
	if err := events.Lookup(uint32(0), &e); err != nil {
		t.Fatal(err)
	}
	v := contenttest.Verdict{Block: e.Block != 0}
	for _, m := range e.Matches[:min(e.NMatches, maxMatches)] {
		v.Matches = append(v.Matches, contenttest.Match{ID: m.Rule, Action: content.Action(m.Action)})
	}
	if e.NMatches > maxMatches {
		v.Matches = append(v.Matches, make([]contenttest.Match, e.NMatches-maxMatches)...)
	}
	return v
}

// withoutInspection is the case with detections in place of what this agent refuses: see TestRefused.
func withoutInspection(c contenttest.Case) contenttest.Case {
	for i := range c.File.Instances {
		if c.File.Instances[i].Action == content.Inspect {
			c.File.Instances[i].Action = content.Detect
		}
	}
	c.Want = contenttest.Evaluate(c.File, c.Template, c.Inputs)
	return c
}

// listed is a verdict as an agent gives it: of the matches that have no place in its list only the number.
func listed(v contenttest.Verdict) contenttest.Verdict {
	for i := maxMatches; i < len(v.Matches); i++ {
		v.Matches[i] = contenttest.Match{}
	}
	return v
}

func TestContent(t *testing.T) {
	in := newInterpreter(t)
	cases := contenttest.Cases()
	const random = 500
	for seed := range uint64(random) {
		cases = append(cases, contenttest.Random(seed))
	}
	for _, c := range cases {
		c = withoutInspection(c)
		want := listed(c.Want)
		if got := in.verdict(t, c.File, c.Template, c.Inputs); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", c.Name, got, want)
		}
	}
}

// Content that no program was ever given matches nothing.
func TestNoContent(t *testing.T) {
	got := newInterpreter(t).evaluateLoaded(t, content.ProcessTemplate, []string{"/bin/sh"})
	if !reflect.DeepEqual(got, contenttest.Verdict{}) {
		t.Errorf("got %+v", got)
	}
}

// A criterion on an input that the sensor does not supply does not match, whatever is in it: neither on one that no event has, nor
// on one that this event has not.
func TestUnsuppliedInput(t *testing.T) {
	in := newInterpreter(t)
	const supplied = 2
	for _, c := range []content.Criterion{
		{Op: content.Equals}, {Op: content.Equals, Value: "x"}, {Op: content.Glob, Value: "*"},
		content.AnyOf(content.Criterion{}), content.AllOf(content.Criterion{}, content.AnyOf(content.Criterion{})),
	} {
		for field, inputs := range map[int]int{content.SensorFields: content.SensorFields, supplied: supplied} {
			f := content.First(1)
			f.Instances[0].Criteria[1] = content.Criterion{}
			f.Instances[0].Criteria[field] = c
			got := in.verdict(t, f, content.ProcessTemplate, make([]string, inputs))
			if !reflect.DeepEqual(got, contenttest.Verdict{}) {
				t.Errorf("%s on field %d of %d: got %+v", c, field, inputs, got)
			}
		}
	}
}

// An event has so many turns, and what would need more does not match; what comes before that counts.
func TestTurnsAreBounded(t *testing.T) {
	in := newInterpreter(t)
	long := strings.Repeat("a", 4000)
	f := content.First(1)
	slow := f.Instances[0]
	slow.ID, slow.Criteria = 2, make([]content.Criterion, len(slow.Criteria))
	slow.Criteria[0] = content.Criterion{Op: content.Contains, Value: strings.Repeat("a", 100) + "b"}
	quick := slow
	quick.ID, quick.Criteria = 3, make([]content.Criterion, len(slow.Criteria))
	for _, row := range []struct {
		text string
		want []uint32
	}{
		{strings.Repeat("a", 100) + "b", []uint32{3, 2, 4}},
		{long[:500] + "b", []uint32{3, 2, 4}},
		{long, []uint32{3}},
	} {
		last := quick
		last.ID = 4
		f.Instances = []content.Instance{quick, slow, last}
		var got []uint32
		for _, m := range in.verdict(t, f, content.ProcessTemplate, []string{row.text}).Matches {
			got = append(got, m.ID)
		}
		if !reflect.DeepEqual(got, row.want) {
			t.Errorf("%d bytes: got %v, want %v", len(row.text), got, row.want)
		}
	}
	var cut uint64
	if err := in.programs.collection.Variables["cut"].Get(&cut); err != nil || cut != 1 {
		t.Errorf("cut %d events, want 1; %v", cut, err)
	}
}

// Values and inputs as long as they may be.
func TestLongest(t *testing.T) {
	in := newInterpreter(t)
	value := strings.Repeat("x", content.MaxValue)
	path := "/" + strings.Repeat("y", 4095-1-len(value)) + value
	for _, row := range []struct {
		op    content.Op
		match bool
	}{{content.Contains, true}, {content.Prefix, false}, {content.Equals, false}} {
		f := content.First(1)
		f.Instances[0].Criteria[0], f.Instances[0].Criteria[1] = content.Criterion{Op: row.op, Value: value}, content.Criterion{}
		got := in.verdict(t, f, content.ProcessTemplate, []string{path})
		if (len(got.Matches) > 0) != row.match {
			t.Errorf("%s: got %+v, want a match: %v", row.op, got, row.match)
		}
	}
}

// While content is swapped, each event is evaluated with the one or with the other, never with parts of both.
func TestSwap(t *testing.T) {
	in := newInterpreter(t)
	const rules, swaps = 6, 100
	var contents [2][]step
	for version := range contents {
		f := content.First(uint64(version))
		r := f.Instances[0]
		r.Criteria = make([]content.Criterion, len(r.Criteria))
		f.Instances = nil
		for id := range rules {
			r.ID = uint32(100*version + id)
			f.Instances = append(f.Instances, r)
		}
		var err error
		if contents[version], err = compile(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := in.programs.use(contents[0]); err != nil {
		t.Fatal(err)
	}
	swapped := make(chan error, 1)
	go func() {
		for n := range swaps {
			if err := in.programs.use(contents[n%2]); err != nil {
				swapped <- err
				return
			}
		}
		swapped <- nil
	}()
	var seen [2]int
	for {
		select {
		case err := <-swapped:
			if err != nil {
				t.Fatal(err)
			}
			if seen[0] == 0 || seen[1] == 0 {
				t.Errorf("events with either content: %v, want some of both", seen)
			}
			return
		default:
		}
		v := in.evaluateLoaded(t, content.ProcessTemplate, []string{"x"})
		if len(v.Matches) != rules {
			t.Fatalf("got %+v", v)
		}
		version := v.Matches[0].ID / 100
		seen[version]++
		for i, m := range v.Matches {
			if m.ID != 100*version+uint32(i) {
				t.Fatalf("got %+v", v)
			}
		}
	}
}
