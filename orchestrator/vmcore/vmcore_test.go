package vmcore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

func TestReadLog(t *testing.T) {
	for _, c := range []struct {
		name    string
		machine func() *machine
		want    string
	}{
		{"lines and stamps", func() *machine {
			m := newMachine(4, 4, 10)
			m.print(0, "Linux version 6.1.0")
			m.print(1_598_917_999, "one\ntwo")
			m.print(123_456_000_000_000, "a\ttab, \x1b[31m and \xff")
			return m
		}, "[    0.000000] Linux version 6.1.0\n[    1.598917] one\n[    1.598917] two\n[123456.000000] a\ttab, \\x1b[31m and \\xff\n"},
		{"page tables of five levels", func() *machine {
			m := newMachine(5, 4, 10)
			m.print(0, "deep")
			return m
		}, "[    0.000000] deep\n"},
		{"a large page", func() *machine {
			m := newMachine(4, 4, 10)
			m.print(0, "large")
			m.large, m.base, m.info[3] = true, 2<<20, "NUMBER(phys_base)=2097152"
			return m
		}, "[    0.000000] large\n"},
		{"a kernel below its place", func() *machine {
			m := newMachine(4, 4, 10)
			m.print(0, "below")
			m.info[2] = fmt.Sprintf("SYMBOL(init_top_pgt)=%x", virtual(topTable, 0x200000))
			m.info[3] = "NUMBER(phys_base)=-1048576"
			return m
		}, "[    0.000000] below\n"},
		{"text that wraps", func() *machine {
			m := newMachine(4, 4, 7)
			for n := range 9 {
				m.print(uint64(n)*1000, fmt.Sprintf("record %d of some more length", n))
			}
			return m
		}, "[    0.000006] record 6 of some more length\n[    0.000007] record 7 of some more length\n[    0.000008] record 8 of some more length\n"},
		{"records that wrap", func() *machine {
			m := newMachine(4, 1, 10)
			for n := range 5 {
				m.print(0, fmt.Sprint(n))
			}
			return m
		}, "[    0.000000] 3\n[    0.000000] 4\n"},
		{"records without text", func() *machine {
			m := newMachine(4, 4, 10)
			m.record(finalized, 1, 1, 0, 5) // lost
			m.record(finalized, 3, 3, 0, 0) // an empty line
			m.record(0, m.next, m.next+16, 0, 5)
			m.print(0, "end")
			return m
		}, "[    0.000000] \n[    0.000000] end\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			records, err := ReadLog(bytes.NewReader(c.machine().core()))
			if err != nil {
				t.Fatal(err)
			}
			if got := Format(records); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

func TestReadLogRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*machine)
		want   string
	}{
		{"no VMCOREINFO", func(m *machine) { m.info = []string{"nothing"} }, "VMCOREINFO: SYMBOL(init_top_pgt)"},
		{"no layout", func(m *machine) { m.info = m.info[:10] }, "OFFSET(prb_desc_ring.infos)"},
		{"a structure of pages", func(m *machine) { m.info[6] = "SIZE(printk_ringbuffer)=8192" }, "value out of range"},
		{"page tables elsewhere", func(m *machine) { m.info[3] = "NUMBER(phys_base)=4294967296" }, "page table of level 4"},
		{"a pointer into nothing", func(m *machine) { m.put(data, 8, 0xdead000000000000) }, "is not mapped"},
		{"a log without end", func(m *machine) { m.put(data, ringAt, 63) }, "2^63 records"},
		{"more records than room", func(m *machine) { m.put(data, ringAt+32, 5) }, "room for 16"},
		{"records that are not there", func(m *machine) { m.put(data, ringAt+8, 8) }, "no record that can be read"},
		{"text that is not there", func(m *machine) { m.put(data, ringAt+56, 8) }, "no record that can be read"},
		{"blocks longer than the text", func(m *machine) { m.put(descs, 24*int(firstID%16)+16, idMask+4096) }, "no record that can be read"},
		{"blocks that end before they begin", func(m *machine) { m.put(descs, 24*int(firstID%16)+16, 8) }, "no record that can be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(4, 4, 10)
			m.print(0, "text")
			c.change(m)
			_, err := ReadLog(bytes.NewReader(m.core()))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	for name, core := range map[string][]byte{
		"nothing": nil, "no core": []byte("\x7fELF"), "no memory": elfCore(), "short": newMachine(4, 4, 10).core()[:8000],
	} {
		if _, err := ReadLog(bytes.NewReader(core)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzReadLog changes words of a dump: of its headers, page tables, VMCOREINFO, log. Ten bytes are the word's number and its value.
func FuzzReadLog(f *testing.F) {
	m := newMachine(4, 4, 8)
	for n := range 12 {
		m.print(uint64(n), strings.Repeat("x", 5*n))
	}
	core := m.core()
	words := len(core) / 8
	patch := func(pairs ...uint64) (b []byte) {
		for ; len(pairs) > 0; pairs = pairs[2:] {
			b = binary.LittleEndian.AppendUint16(b, uint16(pairs[0]))
			b = binary.LittleEndian.AppendUint64(b, pairs[1])
		}
		return b
	}
	page := func(n, offset int) uint64 { return uint64(words - (len(m.pages)-n)*pageSize/8 + offset/8) }
	f.Add(patch())
	f.Add(patch(page(data, 8), virtual(descs, 0)))                           // another ring buffer
	f.Add(patch(page(data, ringAt), maxCountBits, page(data, ringAt+32), 0)) // a larger one
	f.Add(patch(page(table1, 8*infosAndText), uint64(m.base)|present))       // its text is a page table
	f.Add(patch(page(descs, 0), finalized<<stateShift, page(descs, 16), idMask))
	f.Fuzz(func(t *testing.T, patch []byte) {
		core := bytes.Clone(core)
		for ; len(patch) >= 10; patch = patch[10:] {
			copy(core[int(binary.LittleEndian.Uint16(patch))%words*8:], patch[2:10])
		}
		records, err := ReadLog(bytes.NewReader(core))
		total := 0
		for _, r := range records {
			total += len(r.Text)
		}
		if err == nil && len(records) == 0 || total > maxLog {
			t.Errorf("%d records of %d bytes, error %v", len(records), total, err)
		}
		if text := Format(records); strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && (r < ' ' || r > '~') }) {
			t.Errorf("not printable: %q", text)
		}
	})
}
