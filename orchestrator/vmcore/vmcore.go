// Package vmcore reads a Linux kernel's log out of a dump of its machine's memory, as crash(8) and drgn do.
//
// A dump is an ELF core of guest-physical memory, as QEMU writes it. Everything about the kernel is found in that memory: a page
// of VMCOREINFO text, which every kernel with kexec keeps, says where its symbols are and how its structures are laid out, and its
// own page tables say where that is. The kernel is 64-bit x86, and 5.10 or later, which has the lockless ring buffer.
//
// The memory is that of a machine that has crashed, maybe by somebody's will: nothing in it is believed, and every loop ends.
package vmcore

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// A Record is one entry of the kernel's log.
type Record struct {
	Time time.Duration // since the kernel's clock started
	Text string        // as the kernel wrote it, of one line or several
}

// maxSegments is more than the stretches of memory of any machine that QEMU dumps.
const maxSegments = 256

// ReadLog returns the kernel's log, oldest record first, from an ELF core of its machine's physical memory. The error says what
// was not found, or is the reader's.
func ReadLog(core io.ReaderAt) ([]Record, error) {
	m, err := openMemory(core)
	if err != nil {
		return nil, fmt.Errorf("memory dump: %w", err)
	}
	var failed []error
	infos, err := m.findInfo()
	if err != nil {
		return nil, fmt.Errorf("memory dump: %w", err)
	}
	for _, info := range infos {
		records, err := m.readLog(info)
		if err == nil {
			return records, nil
		}
		failed = append(failed, err)
	}
	return nil, fmt.Errorf("memory dump: read the kernel's log: %w", errors.Join(failed...))
}

func (m *memory) readLog(info *info) ([]Record, error) {
	space, err := m.kernelSpace(info)
	if err != nil {
		return nil, err
	}
	return space.records(info)
}

// Format writes records as the kernel writes them to a console, a line for each of theirs. What is not printable ASCII is written
// as \x1b is.
func Format(records []Record) string {
	var b strings.Builder
	for _, r := range records {
		stamp := fmt.Sprintf("[%5d.%06d] ", r.Time/time.Second, r.Time%time.Second/time.Microsecond)
		for line := range strings.SplitSeq(r.Text, "\n") {
			b.WriteString(stamp)
			for i := range len(line) {
				if c := line[i]; c == '\t' || ' ' <= c && c <= '~' {
					b.WriteByte(c)
				} else {
					fmt.Fprintf(&b, "\\x%02x", c)
				}
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// A memory is a machine's physical memory.
type memory struct {
	segments []segment
}

type segment struct {
	start uint64 // physical address
	size  uint64
	data  io.ReaderAt
}

func openMemory(core io.ReaderAt) (*memory, error) {
	file, err := elf.NewFile(core)
	if err != nil {
		return nil, err
	}
	if file.Type != elf.ET_CORE || file.Machine != elf.EM_X86_64 {
		return nil, fmt.Errorf("it is %v for %v, not a core for EM_X86_64", file.Type, file.Machine)
	}
	m := &memory{}
	for _, p := range file.Progs {
		if p.Type != elf.PT_LOAD || p.Filesz == 0 {
			continue
		}
		if p.Paddr+p.Filesz < p.Paddr {
			return nil, fmt.Errorf("%d bytes at address %#x do not fit into the address space", p.Filesz, p.Paddr)
		}
		if len(m.segments) == maxSegments {
			return nil, fmt.Errorf("it has more than %d segments", maxSegments)
		}
		m.segments = append(m.segments, segment{p.Paddr, p.Filesz, p.ReaderAt})
	}
	return m, nil
}

// read fills b from a physical address on; what it asks for lies in one segment.
func (m *memory) read(b []byte, at uint64) error {
	for _, s := range m.segments {
		if at < s.start || at-s.start >= s.size {
			continue
		}
		if uint64(len(b)) > s.size-(at-s.start) {
			break
		}
		n, err := s.data.ReadAt(b, int64(at-s.start))
		if n == len(b) {
			return nil
		}
		return err // io.EOF where the file is shorter than its header says
	}
	return fmt.Errorf("%d bytes at physical address %#x are not in the dump", len(b), at)
}
