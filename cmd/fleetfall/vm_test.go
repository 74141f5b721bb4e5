package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/results"
)

func TestRun(t *testing.T) {
	t.Parallel() // its runs wait more than they work
	p := start(t, "", "--var", "crash_dump=true")
	p.expect(exitMet)
	r := p.results()
	kernel := r.Cells[1]
	if len(kernel.Causes) != 1 || kernel.Causes[0].Type != "page_fault" || kernel.Causes[0].Module != "agentk" || kernel.Causes[0].Function == "" {
		t.Fatalf("causes %+v, want one page fault in a function of agentk", kernel.Causes)
	}
	for name, least := range map[string]float64{"blast_radius": 1, "crashes": 2, "boot_loops": 1, "protection_radius": 1} {
		if m := kernel.Metrics[name]; m.Value == nil || *m.Value < least {
			t.Errorf("kernel: %s is %+v, want at least %v", name, m, least)
		}
	}
	if h := kernel.HostsDetail[0]; h.Recovered == nil {
		t.Errorf("the host did not recover: %+v", h)
	}
	for name, want := range map[string]float64{"blast_radius": 0, "protection_radius": 1, "crashes": 0, "boots": 0} {
		if m := r.Cells[2].Metrics[name]; m.Value == nil || *m.Value != want {
			t.Errorf("user: %s is %+v, want %v", name, m, want)
		}
	}
	if m := r.Cells[2].Metrics["agent_crashes"]; m.Value == nil || *m.Value < 1 {
		t.Errorf("user: agent_crashes is %+v, want at least one", m)
	}
	for _, name := range []string{"blast_radius", "protection_radius", "crashes", "agent_crashes", "host_seconds_lost"} {
		if m := r.Cells[0].Metrics[name]; m.Value == nil || *m.Value != 0 {
			t.Errorf("control: %s is %+v, want 0", name, m)
		}
	}
	console, err := filepath.Glob(filepath.Join(p.dir, "latest", results.HostsDir, "kernel_*", "kernel-01", "console.log"))
	if err != nil || len(console) != 1 {
		t.Fatalf("consoles %q, %v", console, err)
	}
	if data, err := os.ReadFile(console[0]); err != nil || !bytes.Contains(data, []byte("Kernel panic - not syncing")) {
		t.Errorf("the console shows no panic: %v", err)
	}
	cause := kernel.Causes[0]
	if info, err := os.Stat(filepath.Join(p.dir, "latest", cause.Dump)); err != nil || info.Size() < 96<<20 {
		t.Errorf("crash dump %q: %v, %v", cause.Dump, info, err)
	}
	log, err := os.ReadFile(filepath.Join(filepath.Dir(console[0]), "kernel.log"))
	if err != nil || !bytes.Contains(log, []byte("RIP: 0010:"+cause.Function)) || !bytes.Contains(log, []byte("Linux version")) {
		t.Errorf("the kernel's log in the dump does not tell of the boot and of the crash in %s: %v", cause.Function, err)
	}
	expectNothingOf(t, r.Run.ID)

	// Everything but the journal follows from the journal.
	for _, name := range []string{results.ResultsFile, results.ReportFile} {
		before := p.read(name)
		if err := os.Remove(filepath.Join(p.dir, "latest", name)); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("fleetfall", "report", "--results", p.dir).CombinedOutput(); err != nil {
			t.Fatalf("report: %v\n%s", err, out)
		}
		if !bytes.Equal(before, p.read(name)) {
			t.Errorf("%s came out differently", name)
		}
	}
	expectReplay(t, p)
}

// expectReplay has the run replayed: everything is decided again as it was on VMs.
func expectReplay(t *testing.T, p *process) {
	t.Helper()
	out, err := exec.Command("fleetfall", "replay", "latest", "--results", p.dir).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("all decisions and metrics are the same")) {
		t.Errorf("replay: %v\n%s", err, out)
	}
}

// TestWildcardIsHarmless changes one thing: the 21st criterion of the same update.
func TestWildcardIsHarmless(t *testing.T) {
	t.Parallel() // its runs wait more than they work
	p := start(t, "", "--var", "criterion=any")
	p.expect(exitMissed) // "the kernel fleet goes down" is missed, as it should be
	for _, c := range p.results().Cells {
		for _, name := range []string{"blast_radius", "crashes", "protection_radius"} {
			if m := c.Metrics[name]; m.Value == nil || *m.Value != 0 {
				t.Errorf("%s: %s is %+v, want 0", c.Fleet, name, m)
			}
		}
	}
}

// TestUnsignedContentIsRefused by each agent, and said so.
func TestUnsignedContentIsRefused(t *testing.T) {
	t.Parallel() // its runs wait more than they work
	p := start(t, "", "--var", "signed=false")
	p.expect(exitMissed)
	for _, c := range p.results().Cells {
		if c.Control {
			continue // its update is always signed
		}
		for name, want := range map[string]float64{"blast_radius": 0, "crashes": 0, "agent_crashes": 0, "protection_radius": 0, "content_refused": 1} {
			if m := c.Metrics[name]; m.Value == nil || *m.Value != want {
				t.Errorf("%s: %s is %+v, want %v", c.Fleet, name, m, want)
			}
		}
	}
	if !bytes.Contains(p.read(results.JournalFile), []byte("signature is not the vendor's")) {
		t.Error("the journal does not say why the content was refused")
	}
}

func TestInterrupt(t *testing.T) {
	t.Parallel() // its runs wait more than they work
	p := start(t, "", "--var", "revert_after=3m", "--var", "criterion=any")
	p.await(`"what":"injected"`)
	run := p.runID()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.expect(exitInterrupted)
	expectNothingOf(t, run)
	if said := p.stdout.String(); !strings.Contains(said, ": 0 of 3 trials had come to an end.") || strings.Count(said, "\n") > 6 {
		t.Errorf("it is to say in a few lines what there is, and says\n%s", said)
	}
	r := p.results()
	if r.Run.Status != "interrupted" || r.Verdict != results.Inconclusive {
		t.Errorf("status %q, verdict %q", r.Run.Status, r.Verdict)
	}
	if j := p.journal(); j.Status != "interrupted" || j.Ending == nil || j.Trials[0].Status != "interrupted" {
		t.Errorf("the journal is not whole: %+v", j)
	}
}

// TestKillAndGC kills one of two runs, and collects what it left under the eyes of the other.
func TestKillAndGC(t *testing.T) {
	other := start(t, "")
	other.await(`"what":"hello"`)
	p := start(t, "", "--var", "criterion=any")
	p.await(`"what":"hello"`)
	run := p.runID()
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.wait()
	if len(processesOf(t, run)) == 0 {
		t.Fatal("nothing is left of a run that was killed: this test shows nothing")
	}
	out, err := exec.Command("fleetfall", "gc").CombinedOutput()
	if err != nil || !strings.Contains(string(out), run) {
		t.Errorf("gc: %v\n%s", err, out)
	}
	expectNothingOf(t, run)
	other.expect(exitMet)
	if out, err := exec.Command("fleetfall", "report", "--results", p.dir).CombinedOutput(); err != nil {
		t.Errorf("report of a killed run: %v\n%s", err, out)
	}
}

func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=32k"); err != nil {
		capability.Need(t, false, "mount", "run as root with CAP_SYS_ADMIN")
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	p := start(t, dir, "--var", "revert_after=3m", "--var", "criterion=any")
	p.expect(exitInfra)
	if !strings.Contains(p.stderr.String(), "no space left on device") || !strings.Contains(p.stderr.String(), results.JournalFile) {
		t.Errorf("stderr does not say which file could not be written, and why:\n%s", p.stderr.String())
	}
}

func TestUnreachableLibvirt(t *testing.T) {
	p := start(t, "", "--connect", "qemu:///session?socket=/nonexistent/libvirt-sock")
	p.expect(exitInfra)
	if !strings.Contains(p.stderr.String(), "/nonexistent/libvirt-sock") {
		t.Errorf("stderr does not say what could not be reached:\n%s", p.stderr.String())
	}
	if _, err := os.Stat(filepath.Join(p.dir, "latest", results.JournalFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a run that never began left a journal: %v", err)
	}
}

// TestVirtualClock runs the smallest scenario twice on the virtual clock, side by side, the first time with verification: its
// figures are those of the real outage, and the same, however busy the machine is.
func TestVirtualClock(t *testing.T) {
	t.Parallel()
	first, second := start(t, "", "--clock", "virtual", "--verify"), start(t, "", "--clock", "virtual")
	first.expect(exitMet)
	second.expect(exitMet)
	a, b := first.results(), second.results()
	whom := slices.IndexFunc(a.Provenance.Facts, func(f results.Fact) bool { return f.Name == "QEMU runs as" })
	if whom < 0 || !strings.HasPrefix(a.Provenance.Facts[whom].Value, "user ") {
		t.Errorf("provenance does not say whom QEMU runs as: %+v", a.Provenance.Facts)
	}
	if a.Provenance.Clock != "virtual" {
		t.Errorf("provenance says clock %q", a.Provenance.Clock)
	}
	for i, c := range a.Cells {
		for name, m := range c.Metrics {
			again := b.Cells[i].Metrics[name]
			if (m.Value == nil) != (again.Value == nil) || m.Value != nil && math.Abs(*m.Value-*again.Value) > 0.005 {
				t.Errorf("%s: %s is %s, and in another run of the same seed %s", c.ID, name, told(m), told(again))
			}
		}
	}
	if m := a.Cells[1].Metrics["boot_loops"]; m.Value == nil || *m.Value < 1 {
		t.Errorf("kernel: boot loops %s, want at least one", told(m))
	}
	for i, v := range a.Verification {
		if v.Cell != a.Cells[i].ID || v.Status != results.Identical && v.Status != results.Within || v.Entries < 40 {
			t.Errorf("%v, of %d entries", v, v.Entries)
		}
	}
	if len(a.Verification) != 3 || len(a.Cells[1].Trials) != 1 {
		t.Errorf("%d verifications, and %d trials of the kernel cell, want 3 and 1", len(a.Verification), len(a.Cells[1].Trials))
	}
	if said := first.stderr.String(); !strings.Contains(said, "again, under load") || !strings.Contains(said, "[6/6]") {
		t.Errorf("it does not say what it runs again:\n%s", said)
	}
	expectReplay(t, first)
}

// told is a metric in words.
func told(m results.Metric) string {
	if m.Value == nil {
		return "none (" + m.Note + ")"
	}
	return fmt.Sprint(*m.Value, " ", m.Unit)
}
