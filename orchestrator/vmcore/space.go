package vmcore

import (
	"encoding/binary"
	"fmt"
)

// kernelMap is where a kernel's image is mapped when nothing is moved at random (__START_KERNEL_map); phys_base tells by how much
// its place in physical memory differs.
const kernelMap = 0xffffffff80000000

// Bits of an entry in a page table.
const (
	present   = 1 << 0
	largePage = 1 << 7
	frameBits = 0x000ffffffffff000 // the physical address
)

// A space is the kernel's virtual memory.
type space struct {
	memory *memory
	root   uint64 // physical address of the topmost page table
	levels int    // of page tables: 4 or 5
	// The page that was read last.
	page  uint64 // its virtual address; 1, which is none's, before there is one
	bytes [pageSize]byte
}

func (m *memory) kernelSpace(i *info) (*space, error) {
	s := &space{memory: m, root: i.symbol("init_top_pgt") - kernelMap + i.number("phys_base"), levels: 4, page: 1}
	if i.values["NUMBER(pgtable_l5_enabled)"] == "1" {
		s.levels = 5
	}
	return s, i.err()
}

// physical is where a virtual address is in physical memory.
func (s *space) physical(at uint64) (uint64, error) {
	table := s.root
	for level := s.levels; level > 0; level-- {
		shift := 12 + 9*(level-1)
		var b [8]byte
		if err := s.memory.read(b[:], table+(at>>shift)&0x1ff*8); err != nil {
			return 0, fmt.Errorf("virtual address %#x: page table of level %d: %w", at, level, err)
		}
		entry := binary.LittleEndian.Uint64(b[:])
		if entry&present == 0 {
			return 0, fmt.Errorf("virtual address %#x is not mapped", at)
		}
		inside := uint64(1)<<shift - 1
		if level == 1 || level <= 3 && entry&largePage != 0 {
			return entry&frameBits&^inside | at&inside, nil
		}
		table = entry & frameBits
	}
	panic("not reached: the last level returns")
}

// read fills b from a virtual address on.
func (s *space) read(b []byte, at uint64) error {
	for len(b) > 0 {
		if page := at &^ (pageSize - 1); page != s.page {
			frame, err := s.physical(page)
			if err != nil {
				return err
			}
			s.page = 1
			if err := s.memory.read(s.bytes[:], frame); err != nil {
				return fmt.Errorf("virtual address %#x: %w", at, err)
			}
			s.page = page
		}
		n := copy(b, s.bytes[at%pageSize:])
		b, at = b[n:], at+uint64(n)
	}
	return nil
}

// A structure is one of the kernel's, as it is in memory.
type structure []byte

// structure reads size bytes at a virtual address.
func (s *space) structure(at uint64, size int) (structure, error) {
	b := make(structure, size)
	return b, s.read(b, at)
}

// long is the field of 8 bytes at an offset; 0 when it is not within the structure.
func (b structure) long(offset int) uint64 {
	if offset+8 > len(b) {
		return 0
	}
	return binary.LittleEndian.Uint64(b[offset:])
}

// int is the field of 4 bytes at an offset; 0 when it is not within the structure.
func (b structure) int(offset int) uint32 {
	if offset+4 > len(b) {
		return 0
	}
	return binary.LittleEndian.Uint32(b[offset:])
}

// short is the field of 2 bytes at an offset; 0 when it is not within the structure.
func (b structure) short(offset int) uint16 {
	if offset+2 > len(b) {
		return 0
	}
	return binary.LittleEndian.Uint16(b[offset:])
}
