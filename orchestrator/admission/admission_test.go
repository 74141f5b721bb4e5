package admission

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

const mega = 1 << 20

// machine has this much memory for hosts, in MiB, and no limit on files.
func machine(name string, free int64) Machine {
	return Machine{Name: name, Total: 2 * free * mega, Available: (free + 1000) * mega, Reserved: 1000 * mega, CPUs: 2}
}

// need is of hosts that take 100 MiB each.
func need(hosts int, waves bool) Need {
	return Need{Cell: "cell", Hosts: hosts, Guest: 90 * mega, Overhead: 10 * mega, Waves: waves}
}

// spread writes the hosts of each wave, by machine: "a3 b2 | a2 b2".
func spread(p Placement) string {
	var waves []string
	for _, wave := range p.Waves {
		count := map[string]int{}
		for _, name := range wave {
			count[name]++
		}
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(count)) {
			parts = append(parts, fmt.Sprint(name, count[name]))
		}
		waves = append(waves, strings.Join(parts, " "))
	}
	return strings.Join(waves, " | ")
}

func TestAdmit(t *testing.T) {
	with := func(m Machine, f func(*Machine)) Machine { f(&m); return m }
	disk := func(n Need) Need { n.Disk = 20 * mega; return n }
	this := func(free int64) []Machine { return []Machine{machine("", free)} }
	parts := func(n Need, parts int) Need { n.Parts = parts; return n }
	for _, c := range []struct {
		name     string
		need     Need
		machines []Machine
		files    int64
		want     string // "" for a refusal
	}{
		{"exactly", need(4, false), this(400), 0, "4"},
		{"one MiB short", need(4, false), this(399), 0, ""},
		{"one MiB short in waves", need(4, true), this(399), 0, "2 | 2"},
		{"waves are even", need(100, true), this(3400), 0, "34 | 33 | 33"},
		{"the least number of waves", need(100, true), this(5000), 0, "50 | 50"},
		{"a fleet that fits is whole", need(100, true), this(10000), 0, "100"},
		{"fifty waves", need(50, true), this(100), 0, strings.Repeat("1 | ", 49) + "1"},
		{"more than fifty waves", need(51, true), this(100), 0, ""},
		{"not one host, not in waves either", need(4, true), this(99), 0, ""},
		{"a guest of half a MiB more is a MiB more", Need{Cell: "cell", Hosts: 4, Guest: 90*mega + 1, Overhead: 10 * mega}, this(400), 0, ""},

		{"promised to others", need(4, false), []Machine{with(machine("", 500), func(m *Machine) {
			m.Promised = []Promise{{Run: "x", Bytes: 300 * mega, Used: 200 * mega}, {Run: "y", Bytes: 10 * mega, Used: 500 * mega}}
		})}, 0, "4"},
		{"what one run has beyond its promise is no other's", need(5, false), []Machine{with(machine("", 499), func(m *Machine) {
			m.Promised = []Promise{{Run: "x", Bytes: 10 * mega, Used: 500 * mega}}
		})}, 0, ""},
		{"too much promised to others", need(4, false), []Machine{with(machine("", 500), func(m *Machine) {
			m.Promised = []Promise{{Run: "x", Bytes: 300 * mega, Used: 199 * mega}}
		})}, 0, ""},

		{"a resumed run goes on in as many waves", parts(need(10, true), 5), this(10000), 0, "2 | 2 | 2 | 2 | 2"},
		{"a resumed run that was whole stays so", parts(need(10, true), 1), this(999), 0, ""},
		{"a resumed run whose waves fit no more", parts(need(10, true), 2), this(499), 0, ""},
		{"no empty waves", parts(need(2, true), 3), this(999), 0, "1 | 1"},

		{"most memory left gets the next host", need(5, false), []Machine{machine("a", 300), machine("b", 500)}, 0, "a2 b3"},
		{"like amounts are left", need(6, false), []Machine{machine("a", 1000), machine("b", 600)}, 0, "a5 b1"},
		{"equal machines", need(5, false), []Machine{machine("b", 500), machine("a", 500)}, 0, "a2 b3"},
		{"waves over machines", need(9, true), []Machine{machine("a", 400), machine("b", 150)}, 0, "a4 b1 | a3 b1"},
		{"one machine has no room, the others have", need(2, false), []Machine{machine("a", 400), machine("b", 99)}, 0, ""},
		{"two daemons on one machine share its memory", need(6, true),
			[]Machine{with(machine("a", 500), func(m *Machine) { m.ID = "1" }), with(machine("b", 400), func(m *Machine) { m.ID = "1" })},
			0, "a2 b1 | a2 b1"},

		{"files of the daemon", need(112, false), []Machine{with(machine("", 99999), func(m *Machine) { m.Files = 1024 })}, 0, "112"},
		{"too few files of the daemon", need(113, false), []Machine{with(machine("", 99999), func(m *Machine) { m.Files = 1024 })}, 0, ""},
		{"too few files of the daemon, in waves", need(113, true), []Machine{with(machine("", 99999), func(m *Machine) { m.Files = 1024 })},
			0, "57 | 56"},
		{"a machine with few files leaves hosts to the other", need(5, false),
			[]Machine{with(machine("a", 9999), func(m *Machine) { m.Files = 128 + 8 }), machine("b", 400)}, 0, "a1 b4"},
		{"room on the disk", disk(need(4, false)), []Machine{with(machine("", 9999), func(m *Machine) { m.Disk = (64 + 80) * mega })}, 0, "4"},
		{"one MiB of disk short", disk(need(4, false)),
			[]Machine{with(machine("", 9999), func(m *Machine) { m.Disk = (64+80)*mega - 1 })}, 0, ""},
		{"too little disk, in waves", disk(need(8, true)),
			[]Machine{with(machine("", 9999), func(m *Machine) { m.Disk = (64 + 80) * mega })}, 0, "4 | 4"},
		{"a disk that is full", disk(need(1, true)), []Machine{with(machine("", 9999), func(m *Machine) { m.Disk = 1 })}, 0, ""},
		{"own files", need(240, false), this(99999), 1024, "240"},
		{"too few own files", need(241, false), this(99999), 1024, ""},
		{"too few own files, in waves", need(241, true), this(99999), 1024, "121 | 120"},
		{"no own files for one host", need(2, true), this(99999), 67, ""},
	} {
		d, err := Admit([]Need{c.need}, c.machines, c.files)
		var refusal *Refusal
		switch {
		case c.want == "":
			if !errors.As(err, &refusal) || len(refusal.Cells()) != 1 || refusal.Cells()[0] != "cell" {
				t.Errorf("%s: %+v, %v, want a refusal", c.name, d, err)
			}
		case err != nil || spread(d.Cells[0]) != c.want:
			t.Errorf("%s: %v, %v, want %s", c.name, d.Cells, err, c.want)
		}
	}
}

func TestDecision(t *testing.T) {
	small, large := need(3, true), need(8, true)
	small.Cell, large.Cell = "small", "large"
	d, err := Admit([]Need{small, large, small}, []Machine{machine("a", 400), machine("b", 100)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	// Cells do not add up, and neither do waves: they run one after the other.
	if want := map[string]int64{"a": 300 * mega, "b": 100 * mega}; len(d.Cells) != 3 || !maps.Equal(d.Bytes, want) {
		t.Errorf("%+v, want bytes %v", d, want)
	}
	if want := map[string]int{"large": 2}; !maps.Equal(d.Waves(), want) {
		t.Errorf("waves %v, want %v", d.Waves(), want)
	}
	for _, bad := range []Need{{}, {Hosts: 1}, {Hosts: -1, Guest: 1}, {Hosts: 1, Guest: 1, Parts: -1}} {
		var refusal *Refusal
		if _, err := Admit([]Need{bad}, []Machine{machine("", 1000)}, 0); err == nil || errors.As(err, &refusal) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := Admit(nil, nil, 0); err == nil {
		t.Error("no machine at all was accepted")
	}
}

// TestPlacementHolds checks on random plans what must be true of any: whatever is admitted fits, and one wave less would not.
func TestPlacementHolds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	admitted := 0
	for range 2000 {
		var machines []Machine
		for i := range 1 + random.IntN(4) {
			m := machine(fmt.Sprint("m", i), int64(100+random.IntN(2000)))
			if random.IntN(2) == 0 {
				m.Files = int64(130 + random.IntN(200))
			}
			machines = append(machines, m)
		}
		n := need(1+random.IntN(200), true)
		files := int64(100 + random.IntN(400))
		d, err := Admit([]Need{n}, machines, files)
		if err != nil {
			continue
		}
		admitted++
		waves, hosts := d.Cells[0].Waves, 0
		most, least := 0, n.Hosts
		for _, wave := range waves {
			hosts, most, least = hosts+len(wave), max(most, len(wave)), min(least, len(wave))
			if int64(len(wave))*4+64 > files {
				t.Fatalf("%d hosts with %d files", len(wave), files)
			}
			on := map[string]int64{}
			for _, name := range wave {
				on[name]++
			}
			for _, m := range machines {
				if on[m.Name]*n.each() > m.free() || m.Files > 0 && on[m.Name]*8+128 > m.Files {
					t.Fatalf("%d hosts on %+v", on[m.Name], m)
				}
			}
		}
		if hosts != n.Hosts || most-least > 1 {
			t.Fatalf("%d hosts in waves of %d to %d, want %d", hosts, least, most, n.Hosts)
		}
		if len(waves) > 1 {
			n.Parts = len(waves) - 1
			if _, err := Admit([]Need{n}, machines, files); err == nil {
				t.Fatalf("%d hosts fit in %d waves, and %d were made", n.Hosts, n.Parts, len(waves))
			}
		}
	}
	if admitted < 500 {
		t.Errorf("only %d plans of 2000 were admitted: the test tests little", admitted)
	}
}

func TestRefusalShowsTheArithmetic(t *testing.T) {
	this := Machine{
		Total: 24105 * mega, Available: 23580 * mega, Reserved: 1205 * mega, CPUs: 2,
		Promised: []Promise{{Run: "abcd1234", Bytes: 4000 * mega, Used: 1000 * mega}},
	}
	kernel := Need{Cell: "kernel/bad/everyone/technicians", Hosts: 200, Guest: 96 * mega, Overhead: 58 * mega, Measured: true}
	user := kernel
	user.Cell = "user/bad/everyone/technicians"
	fits := Need{Cell: "control", Hosts: 20, Guest: 96 * mega, Overhead: 58 * mega, Measured: true}
	resumed, endless := kernel, kernel
	resumed.Waves, resumed.Parts = true, 1
	endless.Waves, endless.Hosts, endless.Measured = true, 50000, false
	few := this
	few.Files = 1024
	big, full := machine("big", 12345), machine("full", 100)
	big.At, full.At = "fleet.hcl:12,1", "fleet.hcl:16,1"
	big.ID, full.ID = "1", "2"
	other := big
	other.Name, other.At = "other", ""
	full.Promised = []Promise{{Run: "abcd1234", Bytes: 300 * mega}}
	tight, crowded := this, fits
	tight.Disk, crowded.Disk = 300*mega, 22*mega
	none := tight
	none.Disk = 60 * mega
	var b strings.Builder
	for _, c := range []struct {
		name     string
		needs    []Need
		machines []Machine
		files    int64
	}{
		{"too many hosts in two of three cells", []Need{kernel, fits, user}, []Machine{this}, 0},
		{"resumed, whole, and it fits no more", []Need{resumed}, []Machine{this}, 0},
		{"too many waves", []Need{endless}, []Machine{this}, 0},
		{"one machine too small", []Need{fits}, []Machine{big, full}, 0},
		{"this machine too small", []Need{fits}, []Machine{machine("", 10)}, 0},
		{"two nodes on one machine", []Need{kernel}, []Machine{big, other}, 0},
		{"too few files of the daemon", []Need{kernel}, []Machine{few}, 2048},
		{"too little disk", []Need{crowded}, []Machine{tight}, 0},
		{"no disk for one host", []Need{crowded}, []Machine{none}, 0},
		{"too few own files", []Need{{Cell: "c", Hosts: 20, Guest: mega}}, []Machine{this}, 100},
	} {
		_, err := Admit(c.needs, c.machines, c.files)
		fmt.Fprintf(&b, "# %s\n%v\n\n", c.name, err)
	}
	golden(t, "refusals.txt", b.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it anew):\n%s", path, got)
	}
}
