package vmcore

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

const (
	pageSize = 4096
	maxInfos = 16       // pages that look like VMCOREINFO and are tried
	scanned  = 64 << 10 // bytes that are read at a time in looking for them
)

// An info is what VMCOREINFO says: lines of KEY=VALUE, see Documentation/admin-guide/kdump/vmcoreinfo.rst of the kernel.
type info struct {
	values map[string]string
	errs   []error // of values that were missing or wrong
}

// findInfo returns each page of memory that may be the kernel's VMCOREINFO. There may be others: a copy in a program's memory, or
// one that somebody made up.
func (m *memory) findInfo() ([]*info, error) {
	var found []*info
	buffer := make([]byte, scanned)
	for _, s := range m.segments {
		for at := uint64(0); at < s.size && len(found) < maxInfos; at += scanned {
			chunk := buffer[:min(scanned, s.size-at)]
			if n, err := s.data.ReadAt(chunk, int64(at)); n < len(chunk) {
				return nil, err
			}
			for ; len(chunk) >= pageSize; chunk = chunk[pageSize:] {
				if bytes.HasPrefix(chunk, []byte("OSRELEASE=")) && bytes.Contains(chunk[:pageSize], []byte("\nSYMBOL(prb)=")) {
					found = append(found, parseInfo(chunk[:pageSize]))
				}
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("no VMCOREINFO of a kernel of 5.10 or later is in it")
	}
	return found[:min(len(found), maxInfos)], nil
}

func parseInfo(page []byte) *info {
	text, _, _ := strings.Cut(string(page), "\x00")
	i := &info{values: map[string]string{}}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			i.values[key] = value
		}
	}
	return i
}

// symbol is the virtual address of a symbol.
func (i *info) symbol(name string) uint64 { return i.parse("SYMBOL("+name+")", 16, 64) }

// number is a number, in two's complement when it is negative.
func (i *info) number(name string) uint64 {
	if n, err := strconv.ParseInt(i.values["NUMBER("+name+")"], 10, 64); err == nil {
		return uint64(n)
	}
	return i.parse("NUMBER("+name+")", 10, 64)
}

// size is that of a structure in bytes.
func (i *info) size(structure string) int { return int(i.parse("SIZE("+structure+")", 10, 12)) }

// offset is that of a structure's field in bytes.
func (i *info) offset(field string) int { return int(i.parse("OFFSET("+field+")", 10, 12)) }

func (i *info) parse(key string, base, bits int) uint64 {
	n, err := strconv.ParseUint(i.values[key], base, bits)
	if err != nil {
		i.errs = append(i.errs, errors.New("VMCOREINFO: "+key+": "+err.Error()))
	}
	return n
}

// err is what was wrong with the values that were asked for.
func (i *info) err() error { return errors.Join(i.errs...) }
