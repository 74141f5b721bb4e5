package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/protocol"
)

func newThreats(t testing.TB, dir string) (*threats, *tally) {
	tally, log := newTally(), newLogger(t.Output())
	return &threats{dir: dir, files: t.TempDir(), patience: time.Minute, agent: newAgent(tally, log), tally: tally, log: log}, tally
}

func TestThreatOrder(t *testing.T) {
	const want = "exec mark short exec mark script exec mark write exec mark mmap exec mark module exec mark rename exec mark delete exec mark short"
	x, _ := newThreats(t, "")
	var got []string
	for range strings.Fields(want) {
		kind, ended, ok := x.next()
		if !ok {
			t.Fatal("no kind can be done")
		}
		close(ended)
		got = append(got, kind.what)
	}
	if order := strings.Join(got, " "); order != want {
		t.Errorf("%s\nwant %s", order, want)
	}
}

// Each rule of the baseline is for one kind of threat, and each kind has one.
func TestThreatsHaveARuleEach(t *testing.T) {
	x, _ := newThreats(t, "")
	of := map[uint32]string{}
	for _, kind := range threatOrder() {
		rule := kind.make(x, 1).rule
		if of[rule] != "" && of[rule] != kind.what {
			t.Errorf("rule %d is of %s and of %s", rule, of[rule], kind.what)
		}
		of[rule] = kind.what
	}
	baseline := content.Baseline(1).Instances
	for _, in := range baseline {
		if of[in.ID] == "" {
			t.Errorf("rule %d (%s) is for no kind of threat", in.ID, in.Name)
		}
	}
	if len(of) != len(baseline) {
		t.Errorf("%d rules of threats, and %d in the baseline", len(of), len(baseline))
	}
}

// Without an agent a threat is neither blocked nor reported, and leaves no file behind.
func TestThreatsWithoutAgent(t *testing.T) {
	dir := t.TempDir()
	buildPrograms(t, dir)
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	x, tally := newThreats(t, dir)
	var console strings.Builder
	x.log = newLogger(&console)
	for order := threatOrder(); x.turn < len(order); {
		if order[x.turn].what == "module" { // what this machine's kernel is asked to load is not a test's to decide
			x.turn++
			continue
		}
		x.one(t.Context())
	}
	beat, _ := tally.take()
	var kinds []string
	for i, threat := range beat.Threats {
		if threat.ID != uint64(i+1) || threat.Blocked || threat.Reported || threat.Latency != 0 {
			t.Errorf("threat %d: %+v", i, threat)
		}
		kinds = append(kinds, threat.What)
	}
	slices.Sort(kinds)
	if got, want := slices.Compact(kinds), []string{"delete", "exec", "mark", "mmap", "rename", "script", "short", "write"}; !slices.Equal(got, want) {
		t.Errorf("kinds %q, want %q", got, want)
	}
	if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
		t.Errorf("%d programs became %d, %v", len(before), len(after), err)
	}
	if left, err := os.ReadDir(x.files); err != nil || len(left) > 0 || console.Len() > 0 {
		t.Errorf("left behind: %v, %v; logged: %s", left, err, &console)
	}
}

// A file threat does what its kind says.
func TestFileThreats(t *testing.T) {
	x, _ := newThreats(t, "")
	held := func(name string) string {
		data, err := os.ReadFile(filepath.Join(x.files, name))
		if err != nil {
			return err.(*os.PathError).Err.Error()
		}
		return strings.TrimRight(string(data), "\x00")
	}
	for _, c := range []struct {
		make          func(*threats, uint64) threat
		sign, file    string
		before, after string // contents of the file
	}{
		{writing, "threat-write-1", "threat-write-1", "", "x"},
		{mapping, "threat-mmap-2", "threat-mmap-2", "", "x"},
		{rename, "threat-rename-3", "system.conf", "setting = 1\n", "setting = 2\n"},
		{deletion, "agent-state-4", "agent-state-4", "state\n", "no such file or directory"},
	} {
		x.count++
		threat := c.make(x, x.count)
		if err := threat.prepare(); err != nil || threat.sign != c.sign || held(c.file) != c.before {
			t.Errorf("%s: prepared with sign %q and %q, %v", c.sign, threat.sign, held(c.file), err)
		}
		if err := threat.act(); err != nil || held(c.file) != c.after {
			t.Errorf("%s: %q after the act, %v; want %q", c.sign, held(c.file), err, c.after)
		}
		if err := threat.clean(); err != nil {
			t.Errorf("%s: %v", c.sign, err)
		}
	}
}

// attempted is the outcome of a threat whose act is this one.
func attempted(t *testing.T, x *threats, tally *tally, y threat) protocol.Beat {
	none := func() error { return nil }
	y.clean = none
	if y.prepare == nil {
		y.prepare = none
	}
	x.attempt(t.Context(), y, protocol.Threat{ID: 1}, func() {})
	beat, _ := tally.take()
	return beat
}

func TestOutcomes(t *testing.T) {
	killed := filepath.Join(t.TempDir(), "killed")
	if err := os.WriteFile(killed, []byte("#!/bin/sh\nkill -9 $$\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		x, tally := newThreats(t, "")
		x.agent.note(report{kind: "ready"}, time.Now())
		const rule = 7
		detected := func(by uint32, err error) func() error {
			return func() error {
				wait(t.Context(), time.Millisecond)
				x.agent.note(report{kind: "detect", rule: by, what: "sign"}, time.Now())
				return err
			}
		}
		for name, c := range map[string]struct {
			act  func() error
			ends error // that act has when it was done
			want protocol.Threat
		}{
			"missed":          {func() error { return nil }, nil, protocol.Threat{}},
			"blocked":         {func() error { return &os.PathError{Err: syscall.EPERM} }, nil, protocol.Threat{Blocked: true}},
			"fails by itself": {func() error { return syscall.EBADMSG }, syscall.EBADMSG, protocol.Threat{}},
			"reported":        {detected(rule, nil), nil, protocol.Threat{Reported: true, Latency: time.Millisecond}},
			"by another rule": {detected(rule+1, nil), nil, protocol.Threat{}},
			"both":            {detected(rule, syscall.EACCES), nil, protocol.Threat{Blocked: true, Reported: true, Latency: time.Millisecond}},
			"hangs":           {func() error { wait(t.Context(), time.Hour); return syscall.EACCES }, nil, protocol.Threat{}},
		} {
			c.want.ID = 1
			if b := attempted(t, x, tally, threat{rule: rule, sign: "sign", act: c.act, ends: c.ends}); len(b.Threats) != 1 || b.Threats[0] != c.want {
				t.Errorf("%s: %+v, want %+v", name, b.Threats, c.want)
			}
		}
		for name, act := range map[string]func() error{
			"no memory": func() error { return &os.PathError{Err: syscall.ENOMEM} },
			"killed":    func() error { return execute(killed) },
			"panics":    func() error { panic("no page") },
		} {
			if b := attempted(t, x, tally, threat{act: act}); len(b.Threats) > 0 {
				t.Errorf("a threat that was not done counts (%s): %+v", name, b.Threats)
			}
		}
		unprepared := threat{prepare: func() error { return errors.New("no space") }, act: func() error { t.Error("done"); return nil }}
		if b := attempted(t, x, tally, unprepared); len(b.Threats) > 0 {
			t.Errorf("a threat that could not be prepared counts: %+v", b.Threats)
		}
	})
}

// No threat falls on a unit of the workload, whether one interval is a multiple of the other or not.
func TestThreatsFallBetweenUnitsOfWork(t *testing.T) {
	dir := t.TempDir()
	buildPrograms(t, dir)
	for _, c := range []struct{ work, threat, phase, first int }{ // in steps, of which the machine is looked at after each
		{12, 12, 0, 18}, {12, 24, 0, 30}, {12, 36, 0, 42}, {12, 6, 0, 9}, {12, 8, 0, 10}, {0, 12, 0, 18}, {12, 12, 5, 23}, {12, 24, 11, 41},
	} {
		synctest.Test(t, func(t *testing.T) {
			const step = 250 * time.Millisecond
			x, tally := newThreats(t, dir)
			start := time.Now()
			go x.run(t.Context(), time.Duration(c.threat)*step, time.Duration(c.work)*step, time.Duration(c.phase)*step)
			go work(t.Context(), time.Duration(c.work)*step, time.Duration(c.phase)*step, []loadKind{{"exec", []string{dir + "/work"}}}, tally)
			var threats, units []int
			for n := range c.first + 3*c.threat + 1 {
				wait(t.Context(), time.Until(start.Add(time.Duration(n)*step)))
				synctest.Wait()
				beat, _ := tally.take()
				if len(beat.Threats) > 0 {
					threats = append(threats, n)
				}
				if beat.WorkUnits > 0 {
					units = append(units, n)
				}
			}
			if want := []int{c.first, c.first + c.threat, c.first + 2*c.threat, c.first + 3*c.threat}; !slices.Equal(threats, want) {
				t.Errorf("work each %d: threats at %v, want %v", c.work, threats, want)
			}
			if c.work > 0 && len(units) != (c.first+3*c.threat-c.phase)/c.work {
				t.Errorf("work each %d: units at %v", c.work, units)
			}
			for _, n := range threats {
				if slices.Contains(units, n) {
					t.Errorf("work each %d, threats each %d: both at %d", c.work, c.threat, n)
				}
			}
		})
	}
}

// An execution that hangs holds up no act on files, and no second one is begun.
func TestThreatThatHangs(t *testing.T) {
	dir := t.TempDir()
	fifo := dir + "/fifo"
	command(t, "mkfifo", fifo)
	if err := os.WriteFile(dir+"/threat-exec", []byte("#!/bin/sh\nread line < "+fifo+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	x, tally := newThreats(t, dir)
	x.patience = 500 * time.Millisecond
	x.one(t.Context())
	x.patience = time.Minute // for what is to come to its end
	hung := x.executing
	x.one(t.Context())
	x.turn = 15 // past the module, which is the test's machine's business
	x.one(t.Context())
	beat, _ := tally.take()
	want := []protocol.Threat{{ID: 1, What: "exec"}, {ID: 2, What: "write"}, {ID: 3, What: "rename"}}
	if !slices.Equal(beat.Threats, want) {
		t.Errorf("threats %+v, want %+v", beat.Threats, want)
	}
	x.acting = make(chan struct{}) // one that hangs as well
	if kind, _, ok := x.next(); ok {
		t.Errorf("%s is begun while all hangs", kind.what)
	}
	if err := os.WriteFile(fifo, []byte("go on\n"), 0); err != nil {
		t.Fatal(err)
	}
	<-hung
	if kind, _, ok := x.next(); !ok || !kind.executes {
		t.Errorf("%v, %q once the execution has ended", ok, kind.what)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
