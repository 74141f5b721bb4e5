package admission

import (
	"maps"
	"testing"
)

// TestTogether: trials that are under way at a time are counted in full, in memory, on disks and in open files, and as
// the largest of them.
func TestTogether(t *testing.T) {
	with := func(m Machine, f func(*Machine)) Machine { f(&m); return m }
	disk := func(n Need) Need { n.Disk = 20 * mega; return n }
	for _, c := range []struct {
		name     string
		needs    []Need
		machines []Machine
		files    int64
		want     int
	}{
		{"exactly three", []Need{need(4, false)}, []Machine{machine("", 1200)}, 0, 3},
		{"one MiB short of three", []Need{need(4, false)}, []Machine{machine("", 1199)}, 0, 2},
		{"the largest counts", []Need{need(1, false), need(5, false), need(2, false)}, []Machine{machine("", 1200)}, 0, 2},
		{"one that fits but once", []Need{need(1, false), need(10, false)}, []Machine{machine("", 1200)}, 0, 1},
		{"a wave is a trial's", []Need{need(20, true)}, []Machine{machine("", 1200)}, 0, 1},
		{"the disk", []Need{disk(need(4, false))}, []Machine{with(machine("", 9000), func(m *Machine) { m.Disk = diskReserve + 8*20*mega })}, 0, 2},
		{"the daemon's files", []Need{need(4, false)}, []Machine{with(machine("", 9000), func(m *Machine) {
			m.Files = daemonFiles + 8*daemonFilesHost
		})}, 0, 2},
		{"our own files", []Need{need(4, false)}, []Machine{machine("", 9000)}, ownFiles + 12*ownFilesHost, 3},
		{"the least of two machines", []Need{need(4, false)}, []Machine{machine("a", 800), machine("b", 700)}, 0, 3},
		{"two that are one", []Need{need(4, false)}, []Machine{
			with(machine("a", 800), func(m *Machine) { m.ID = "x" }), with(machine("b", 800), func(m *Machine) { m.ID = "x" }),
		}, 0, 2},
	} {
		d, err := Admit(c.needs, c.machines, c.files)
		if err != nil || d.Together != c.want {
			t.Errorf("%s: %d together, %v; want %d", c.name, d.Together, err, c.want)
		}
	}
}

// TestTimes: what is promised is for all trials that are under way, and the decision for one stays as it is.
func TestTimes(t *testing.T) {
	d, err := Admit([]Need{need(4, false)}, []Machine{machine("a", 1000), machine("b", 600)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	one := maps.Clone(d.Bytes)
	three := d.Times(3)
	for name, bytes := range one {
		if three.Bytes[name] != 3*bytes || d.Bytes[name] != bytes {
			t.Errorf("machine %s: %d bytes for three, %d for one, and %d before", name, three.Bytes[name], d.Bytes[name], bytes)
		}
	}
	if len(one) == 0 {
		t.Error("nothing is promised")
	}
}
