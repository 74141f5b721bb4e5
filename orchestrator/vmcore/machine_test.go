package vmcore

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// A machine is what a kernel has left in memory, as far as its log goes. Its pages lie where their names say.
type machine struct {
	levels    int
	base      int64 // phys_base
	large     bool  // one large page maps the kernel
	pages     [9][pageSize]byte
	info      []string // lines of VMCOREINFO
	countBits int
	sizeBits  int
	next      uint64 // logical position of the next block
	id        uint64 // of the next record
}

// Pages of a machine, from kernelMap and from its first physical address on.
const (
	topTable = iota
	table4
	table3
	table2
	table1
	infoPage
	data // the pointer prb, and the ring buffer
	descs
	infosAndText // the second half is the text
)

const (
	firstID   = idMask - 2 // so that IDs wrap
	ringAt    = 64         // of the ring buffer in its page
	textStart = pageSize / 2
)

func virtual(page, offset int) uint64 { return kernelMap + uint64(page)*pageSize + uint64(offset) }

// newMachine has a log of 2^countBits records and 2^sizeBits bytes of text, with nothing in it.
func newMachine(levels, countBits, sizeBits int) *machine {
	m := &machine{levels: levels, base: 0x100000, countBits: countBits, sizeBits: sizeBits, id: firstID}
	m.next = uint64(1)<<62 - uint64(1)<<sizeBits // some wraps from the beginning
	m.info = []string{
		"OSRELEASE=6.1.0", "PAGESIZE=4096", fmt.Sprintf("SYMBOL(init_top_pgt)=%x", virtual(topTable, 0)),
		fmt.Sprintf("NUMBER(phys_base)=%d", m.base), fmt.Sprintf("NUMBER(pgtable_l5_enabled)=%d", levels-4),
		fmt.Sprintf("SYMBOL(prb)=%x", virtual(data, 8)),
		"SIZE(printk_ringbuffer)=80", "OFFSET(printk_ringbuffer.desc_ring)=0", "OFFSET(printk_ringbuffer.text_data_ring)=48",
		"OFFSET(prb_desc_ring.count_bits)=0", "OFFSET(prb_desc_ring.descs)=8", "OFFSET(prb_desc_ring.infos)=16",
		"OFFSET(prb_desc_ring.head_id)=24", "OFFSET(prb_desc_ring.tail_id)=32", "OFFSET(atomic_long_t.counter)=0",
		"OFFSET(prb_data_ring.size_bits)=0", "OFFSET(prb_data_ring.data)=8",
		"SIZE(prb_desc)=24", "OFFSET(prb_desc.state_var)=0", "OFFSET(prb_desc.text_blk_lpos)=8",
		"OFFSET(prb_data_blk_lpos.begin)=0", "OFFSET(prb_data_blk_lpos.next)=8",
		"SIZE(printk_info)=88", "OFFSET(printk_info.ts_nsec)=8", "OFFSET(printk_info.text_len)=16",
	}
	m.put(data, 8, virtual(data, ringAt))
	m.put(data, ringAt, uint64(countBits))
	m.put(data, ringAt+8, virtual(descs, 0))
	m.put(data, ringAt+16, virtual(infosAndText, 0))
	m.put(data, ringAt+48, uint64(sizeBits))
	m.put(data, ringAt+56, virtual(infosAndText, textStart))
	return m
}

func (m *machine) put(page, offset int, value uint64) {
	binary.LittleEndian.PutUint64(m.pages[page][offset:], value)
}

// print appends a record with a block of its own, as the kernel does.
func (m *machine) print(ns uint64, text string) {
	size, length := uint64(1)<<m.sizeBits, uint64(8+len(text)+7)&^7
	begin, start := m.next, m.next%size
	m.next += length
	if (m.next-1)/size != begin/size { // it does not fit before the end
		m.next, start = m.next/size*size+length, 0
	}
	block := m.pages[infosAndText][textStart+start:]
	binary.LittleEndian.PutUint64(block, m.id)
	copy(block[8:], text)
	m.record(finalized, begin, m.next, ns, len(text))
}

// record appends a record in a state, whose block lies between two positions.
func (m *machine) record(state, begin, next, ns uint64, length int) {
	count := uint64(1) << m.countBits
	at := int(m.id % count)
	m.put(descs, 24*at, state<<stateShift|m.id)
	m.put(descs, 24*at+8, begin)
	m.put(descs, 24*at+16, next)
	m.put(infosAndText, 88*at+8, ns)
	m.put(infosAndText, 88*at+16, uint64(length))
	m.put(data, ringAt+24, m.id)
	m.put(data, ringAt+32, (m.id-min(count-1, (m.id-firstID)&idMask))&idMask)
	m.id = (m.id + 1) & idMask
}

// core is a dump of the machine, with its page tables.
func (m *machine) core() []byte {
	frame := func(page int) uint64 { return uint64(m.base) + uint64(page)*pageSize | present }
	index := func(level int) int { return int(virtual(0, 0) >> (12 + 9*(level-1)) & 0x1ff * 8) }
	tables := []int{topTable, table4, table3, table2, table1}
	if m.levels == 4 {
		tables = slices.Delete(tables, 1, 2)
	}
	for i, t := range tables[:len(tables)-1] {
		m.put(t, index(m.levels-i), frame(tables[i+1]))
	}
	for page := range m.pages {
		m.put(table1, 8*page, frame(page))
	}
	if m.large {
		m.put(table2, index(2), frame(topTable)|largePage)
	}
	m.pages[infoPage] = [pageSize]byte{}
	copy(m.pages[infoPage][:], strings.Join(m.info, "\n")+"\n")
	var memory []byte
	for _, p := range m.pages {
		memory = append(memory, p[:]...)
	}
	// What lies before is a page that only looks like VMCOREINFO, as a program may have one.
	decoy := make([]byte, pageSize)
	copy(decoy, "OSRELEASE=6.1.0\nSYMBOL(prb)=0\n")
	return elfCore(segmentOf{0x8000, decoy}, segmentOf{uint64(m.base), memory})
}

type segmentOf struct {
	at   uint64
	data []byte
}

// elfCore is an ELF core of segments of physical memory.
func elfCore(segments ...segmentOf) []byte {
	le := binary.LittleEndian
	b := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	b = le.AppendUint16(b, 4)  // ET_CORE
	b = le.AppendUint16(b, 62) // EM_X86_64
	b = le.AppendUint32(b, 1)
	b = le.AppendUint64(b, 0)
	b = le.AppendUint64(b, 64) // program headers
	b = le.AppendUint64(b, 0)
	b = le.AppendUint32(b, 0)
	for _, v := range []int{64, 56, len(segments), 64, 0, 0} {
		b = le.AppendUint16(b, uint16(v))
	}
	offset := uint64(64 + 56*len(segments))
	for _, s := range segments {
		b = le.AppendUint32(b, 1) // PT_LOAD
		b = le.AppendUint32(b, 0)
		size := uint64(len(s.data))
		for _, v := range []uint64{offset, 0, s.at, size, size, 0} {
			b = le.AppendUint64(b, v)
		}
		offset += size
	}
	for _, s := range segments {
		b = append(b, s.data...)
	}
	return b
}
