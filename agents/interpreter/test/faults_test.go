package test

import (
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/internal/capability"
)

// An outcome is what becomes of an update in the interpreter, at the first event after it.
type outcome struct {
	load    string // the answer to load, as it begins
	verdict string // the answer to evaluate, on a program called work
	report  string // of a sanitizer, in part; empty for none
	ending  string // the signal or exit status by which the process ended; empty for success
}

// Every fault does what it says to an interpreter without checks, and nothing to one with all of them but where the fault is
// no defect of the interpreter's.
func TestFaults(t *testing.T) {
	capability.Tools(t, "gcc", "gcc")
	capability.Tools(t, "prlimit", "util-linux")
	sanitized, field := buildDriver(t, "gcc", sanitized), buildDriver(t, "gcc", user)
	const (
		nothing   = "0 0"
		badLength = "refused 6 "
		loaded    = "ok version=2 "
	)
	claims := map[string]struct {
		program   []string
		lax, safe outcome
	}{
		"deep_nesting":           {[]string{"prlimit", "--stack=131072", field}, outcome{load: loaded, ending: "segmentation fault"}, outcome{load: "refused 9 "}},
		"false_length":           {[]string{sanitized}, outcome{report: "AddressSanitizer", ending: "exit status 1"}, outcome{load: badLength}},
		"false_positive_system":  {[]string{sanitized}, outcome{load: loaded, verdict: "1 1 100:1"}, outcome{load: loaded, verdict: "1 1 100:1"}},
		"false_positive_updater": {[]string{sanitized}, outcome{load: loaded, verdict: nothing}, outcome{load: loaded, verdict: nothing}},
		"field_count":            {[]string{field}, outcome{load: loaded, ending: "segmentation fault"}, outcome{load: loaded, verdict: nothing}},
		// Seconds of CPU time of the minutes that it would take.
		"glob_backtracking": {[]string{"prlimit", "--cpu=4", field}, outcome{load: loaded, ending: "killed"}, outcome{load: loaded, verdict: nothing}},
		"memory_exhaustion": {[]string{"prlimit", "--as=50000000", field}, outcome{load: "refused 11 no memory"}, outcome{load: "refused 10 "}},
		"none":              {[]string{sanitized}, outcome{load: loaded, verdict: nothing}, outcome{load: loaded, verdict: nothing}},
		"replay":            {[]string{sanitized}, outcome{load: "ok version=5 ", verdict: nothing}, outcome{load: "ok version=5 ", verdict: nothing}},
		"self_wait":         {[]string{sanitized}, outcome{load: loaded, verdict: "0 1 100:2 inspect"}, outcome{load: loaded, verdict: "0 1 100:2 inspect"}},
		"truncated":         {[]string{sanitized}, outcome{load: "refused 9 "}, outcome{load: badLength}},
		"unknown_version":   {[]string{sanitized}, outcome{load: "refused 4 "}, outcome{load: "refused 4 "}},
		"unsigned":          {[]string{sanitized}, outcome{load: "refused 5 "}, outcome{load: "refused 5 "}},
		"zero_filled":       {[]string{sanitized}, outcome{load: "ok version=2 templates= end", verdict: nothing}, outcome{load: badLength}},
	}
	for _, fault := range content.Faults() {
		if fault.Name == "bit_flips" { // what becomes of it is the seed's to say: TestBitFlips
			continue
		}
		t.Run(fault.Name, func(t *testing.T) {
			t.Parallel()
			c, claimed := claims[fault.Name]
			if !claimed {
				t.Fatal("say here what becomes of an interpreter without checks, and with all of them")
			}
			file := update(t, fault.Name, 1)
			for checks, want := range map[int]outcome{0: c.lax, allChecks: c.safe} {
				if got := suffer(t, c.program, file, checks); !strings.HasPrefix(got.load+" end", want.load) || got.verdict != want.verdict ||
					(got.report != "") != (want.report != "") || !strings.Contains(got.report, want.report) || got.ending != want.ending {
					t.Errorf("with checks %d:\n%.300q, want\n%q", checks, got, want)
				}
			}
		})
	}
}

// Flipped bits do to an interpreter with all checks nothing but change what content says.
func TestBitFlips(t *testing.T) {
	capability.Tools(t, "gcc", "gcc")
	program := []string{buildDriver(t, "gcc", sanitized)}
	refused, loaded := 0, 0
	for seed := range uint64(60) {
		got := suffer(t, program, update(t, "bit_flips", seed), allChecks)
		switch {
		case got.report != "" || got.ending != "":
			t.Errorf("seed %d: %+v", seed, got)
		case strings.HasPrefix(got.load, "refused "):
			refused++
		default:
			loaded++
		}
	}
	if refused == 0 || loaded == 0 {
		t.Errorf("%d refused and %d loaded; want some of both", refused, loaded)
	}
}

func update(t *testing.T, name string, seed uint64) []byte {
	t.Helper()
	fault, err := content.FindFault(name)
	if err != nil {
		t.Fatal(err)
	}
	_, key := content.TestVendorKey()
	file, err := fault.Update(2, seed, nil, key)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// suffer loads a file in a driver of its own, and evaluates the execution of a program called work.
func suffer(t *testing.T, program []string, file []byte, checks int) (o outcome) {
	t.Helper()
	key, _ := content.TestVendorKey()
	d := start(t, program[0], program[1:]...)
	d.ask("key %s", hexed(key))
	d.ask("checks %d", checks)
	d.ask("clock 4300000000 1")
	for i, field := range content.Fields()[:content.SensorFields] {
		value := "work"
		if field == "image_head" {
			value = "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 57)
		}
		d.ask("input %d %s", i, hexed(value))
	}
	var err error
	if o.load, err = d.try("load %s", hexed(file)); err == nil && strings.HasPrefix(o.load, "ok ") {
		o.verdict, _ = d.try("evaluate %d", content.ProcessTemplate)
	}
	said, err := d.finish()
	o.report = said
	if err != nil {
		o.ending = strings.TrimSuffix(strings.TrimPrefix(err.Error(), "signal: "), " (core dumped)")
	}
	return o
}
