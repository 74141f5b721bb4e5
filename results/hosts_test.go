package results

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/scenarios"
)

func named(names ...string) (hosts []fleet.HostSpec) {
	for _, name := range names {
		hosts = append(hosts, fleet.HostSpec{Name: name, Architecture: "kernel"})
	}
	return hosts
}

// TestGroups: hosts are read back as they were written, in as few groups as tell of them.
func TestGroups(t *testing.T) {
	other := named("kernel-01", "kernel-02", "kernel-03", "kernel-04")
	other[2].Cold = true
	for _, test := range []struct {
		hosts []fleet.HostSpec
		want  string // each group's first name and count
	}{
		{nil, ""},
		{named("a"), "a*0"},
		{named("kernel-01"), "kernel-01*0"},
		{named("kernel-01", "kernel-02", "kernel-03"), "kernel-01*3"},
		{named("kernel-09", "kernel-10", "kernel-11"), "kernel-09*3"},
		{named("kernel-9", "kernel-10"), "kernel-9*2"},
		{named("kernel-99", "kernel-100"), "kernel-99*2"},
		{named("kernel-099", "kernel-100"), "kernel-099*2"},
		{named("kernel-01", "kernel-1"), "kernel-01*0 kernel-1*0"},
		{named("kernel-01", "kernel-2"), "kernel-01*0 kernel-2*0"},
		{named("kernel-01", "kernel-03"), "kernel-01*0 kernel-03*0"},
		{named("kernel-02", "kernel-01"), "kernel-02*0 kernel-01*0"},
		{named("a-1", "b-2"), "a-1*0 b-2*0"},
		{named("1", "2"), "1*2"},
		{named("a", "b"), "a*0 b*0"},
		{named("a-9223372036854775807", "a-9223372036854775808"), "a-9223372036854775807*2"},
		{named("a-18446744073709551615", "a-18446744073709551616"), "a-18446744073709551615*0 a-18446744073709551616*0"},
		{other, "kernel-01*2 kernel-03*0 kernel-04*0"},
	} {
		groups := groupsOf(test.hosts)
		var told []string
		for _, g := range groups {
			told = append(told, fmt.Sprintf("%s*%d", g.Name, g.Count))
		}
		if got := strings.Join(told, " "); got != test.want {
			t.Errorf("%d hosts are the groups %s, want %s", len(test.hosts), got, test.want)
		}
		again, err := hostsOf(groups, len(test.hosts))
		if err != nil || len(again) != len(test.hosts) || len(again) > 0 && !reflect.DeepEqual(again, test.hosts) {
			t.Errorf("%s are read back as %v, %v", test.want, again, err)
		}
	}
}

// TestGroupsThatCannotBe: what a line tells of is no more than the plan has.
func TestGroupsThatCannotBe(t *testing.T) {
	group := func(name string, count int) hostGroup {
		return hostGroup{HostSpec: fleet.HostSpec{Name: name}, Count: count}
	}
	for _, test := range []struct {
		groups []hostGroup
		want   string
	}{
		{nil, "0 hosts, and the plan has 2"},
		{[]hostGroup{group("a-1", 1)}, "1 hosts, and the plan has 2"},
		{[]hostGroup{group("a-1", 2), group("b", 0)}, "3 hosts, and the plan has 2"},
		{[]hostGroup{group("a-1", 1<<62), group("b-1", 1<<62)}, `4611686018427387904 hosts from "a-1" on, and the plan has 2`},
		{[]hostGroup{group("a-1", -1)}, `-1 hosts from "a-1" on`},
		{[]hostGroup{group("a", 2)}, `2 hosts from "a" on: such names do not count up`},
		{[]hostGroup{group("a-99999999999999999999", 2)}, "such names do not count up"},
	} {
		if _, err := hostsOf(test.groups, 2); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %s", test.groups, err, test.want)
		}
	}
}

// large is a run of one cell with so many hosts, this many times.
func large(hosts, repeats int) (Header, []fleet.HostSpec) {
	h := header()
	h.Plan.Cells = []scenarios.Cell{{ID: "a", Fleet: scenarios.Fleet{Name: "f", Architecture: "kernel", Hosts: hosts}}}
	h.Plan.Repeat, h.Waves = repeats, nil
	specs := make([]fleet.HostSpec, hosts)
	for i := range specs {
		specs[i] = fleet.HostSpec{Name: fmt.Sprintf("kernel-%06d", i+1), Architecture: "kernel", Image: "tiny", MemoryBytes: 96 << 20}
	}
	return h, specs
}

// TestManyHosts: a trial of 100,000 hosts is one short line, and trials of the same hosts share them.
func TestManyHosts(t *testing.T) {
	const hosts, trials = 100_000, 40 // 4,000,000, which are more than are read of those that differ
	head, specs := large(hosts, trials)
	path := filepath.Join(t.TempDir(), JournalFile)
	w, err := Create(path, head)
	if err != nil {
		t.Fatal(err)
	}
	for n := range trials {
		trial, err := w.Trial(n+1, TrialHeader{Cell: "a", Repeat: n, Hosts: specs})
		if err != nil {
			t.Fatal(err)
		}
		if err := trial.End(1, "settled", ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 100<<10 {
		t.Errorf("a journal of %d bytes, %v", info.Size(), err)
	}
	j, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(j.Trials) != trials || !reflect.DeepEqual(j.Trials[trials-1].Hosts, specs) {
		t.Errorf("%d trials, the last one of %d hosts", len(j.Trials), len(j.Trials[len(j.Trials)-1].Hosts))
	}
}

// TestTooManyHostsThatDiffer: a journal of some kilobytes does not fill the memory of who reads it.
func TestTooManyHostsThatDiffer(t *testing.T) {
	head, specs := large(maxDistinct/4+1, 4)
	path := filepath.Join(t.TempDir(), JournalFile)
	w, err := Create(path, head)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		for i := range specs {
			specs[i].MemoryBytes++ // they are others in each trial
		}
		trial, err := w.Trial(n+1, TrialHeader{Cell: "a", Repeat: n, Hosts: specs})
		if err != nil {
			t.Fatal(err)
		}
		if err := trial.End(1, "settled", ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), "trial 4: more than 2000000 hosts that differ") {
		t.Errorf("read with %v", err)
	}
}

// TestWriterKeepsToWhatIsRead: what could not be read again is refused, and the journal is whole without it.
func TestWriterKeepsToWhatIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), JournalFile)
	w, err := Create(path, header())
	if err != nil {
		t.Fatal(err)
	}
	trial, err := w.Trial(1, TrialHeader{Cell: "c", Hosts: hosts()})
	if err != nil {
		t.Fatal(err)
	}
	log := func(bytes int) error {
		return trial.Event(fleet.Event{Host: "a", What: fleet.GuestLog{Text: strings.Repeat("x", bytes)}})
	}
	if err := log(maxEntry); err == nil || !strings.Contains(err.Error(), "journal: event guest_log of 1677") {
		t.Errorf("an entry that is too long: %v", err)
	}
	if err := log(maxEntry - 1000); err != nil {
		t.Errorf("an entry that is almost too long: %v", err)
	}
	if _, err := w.Trial(maxTrials+1, TrialHeader{}); err == nil || !strings.Contains(err.Error(), "200000 trials at most") {
		t.Errorf("a trial too many: %v", err)
	}
	w.mu.Lock()
	w.size = maxJournal - 1000
	w.mu.Unlock()
	if err := log(1000); err == nil || !strings.Contains(err.Error(), "full: ") {
		t.Errorf("a journal that would be too long: %v", err)
	}
	if err := trial.End(1, "settled", ""); err != nil {
		t.Errorf("there is room for less: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if j, err := ReadFile(path); err != nil || len(j.Trials[0].Events) != 1 {
		t.Errorf("it is read with %v", err)
	}
	w, _, err = Resume(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || w.size != info.Size() {
		t.Errorf("one that is resumed counts %d bytes, and has %d, %v", w.size, info.Size(), err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
