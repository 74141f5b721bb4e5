package vmcore

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	maxCountBits = 18      // of the descriptors' number; a log of 8 MiB has as many
	maxSizeBits  = 23      // of the size of the text, in bytes
	maxLog       = 8 << 20 // bytes of text that are read; what is older is left out
)

// States of a descriptor, in the two topmost bits of its state variable; the others are its ID.
const (
	committed  = 1
	finalized  = 2
	stateShift = 62
	idMask     = 1<<stateShift - 1
)

// A ring is the kernel's printk_ringbuffer, see kernel/printk/printk_ringbuffer.c: descriptors with the state of each record, as
// many infos with its time and length, and a ring of bytes with its text.
type ring struct {
	space        *space
	count        uint64 // of descriptors
	first, last  uint64 // IDs of the oldest and the newest record
	descs, infos uint64 // virtual addresses
	text         uint64
	size         uint64 // bytes of text
	layout       layout
}

// A layout is where the fields of records lie.
type layout struct {
	desc, state, begin, next int // of prb_desc: size, and offsets
	info, time, length       int // of printk_info
}

func (i *info) layout() layout {
	position, counter := i.offset("prb_desc.text_blk_lpos"), i.offset("atomic_long_t.counter")
	return layout{
		desc: i.size("prb_desc"), state: i.offset("prb_desc.state_var") + counter,
		begin: position + i.offset("prb_data_blk_lpos.begin"), next: position + i.offset("prb_data_blk_lpos.next"),
		info: i.size("printk_info"), time: i.offset("printk_info.ts_nsec"), length: i.offset("printk_info.text_len"),
	}
}

func (s *space) ring(i *info) (*ring, error) {
	size, descRing, textRing := i.size("printk_ringbuffer"), i.offset("printk_ringbuffer.desc_ring"), i.offset("printk_ringbuffer.text_data_ring")
	counter := i.offset("atomic_long_t.counter")
	countBits, sizeBits := descRing+i.offset("prb_desc_ring.count_bits"), textRing+i.offset("prb_data_ring.size_bits")
	first, last := descRing+i.offset("prb_desc_ring.tail_id")+counter, descRing+i.offset("prb_desc_ring.head_id")+counter
	descs, infos := descRing+i.offset("prb_desc_ring.descs"), descRing+i.offset("prb_desc_ring.infos")
	text := textRing + i.offset("prb_data_ring.data")
	r := &ring{space: s, layout: i.layout()}
	symbol := i.symbol("prb")
	if err := i.err(); err != nil {
		return nil, err
	}
	pointer, err := s.structure(symbol, 8)
	if err != nil {
		return nil, err
	}
	b, err := s.structure(pointer.long(0), size)
	if err != nil {
		return nil, err
	}
	n, m := b.int(countBits), b.int(sizeBits)
	if n > maxCountBits || m > maxSizeBits {
		return nil, fmt.Errorf("the ring buffer has 2^%d records and 2^%d bytes of text; at most 2^%d and 2^%d are read", n, m, maxCountBits, maxSizeBits)
	}
	r.count, r.size = 1<<n, 1<<m
	r.first, r.last = b.long(first)&idMask, b.long(last)&idMask
	r.descs, r.infos, r.text = b.long(descs), b.long(infos), b.long(text)
	return r, nil
}

// records reads the log from its newest record to its oldest, or to the limit, and returns them the other way round.
func (s *space) records(i *info) ([]Record, error) {
	r, err := s.ring(i)
	if err != nil {
		return nil, err
	}
	n := (r.last-r.first)&idMask + 1
	if n > r.count {
		return nil, fmt.Errorf("the ring buffer has records %d to %d, and room for %d", r.first, r.last, r.count)
	}
	var records []Record
	var failed error
	for k, room := n, maxLog; k > 0; k-- {
		record, ok, err := r.record((r.first + k - 1) & idMask)
		if err != nil && failed == nil {
			failed = err
		}
		if !ok || err != nil {
			continue
		}
		if room -= len(record.Text); room < 0 {
			break
		}
		records = append(records, record)
	}
	if len(records) == 0 {
		return nil, errors.Join(errors.New("the ring buffer has no record that can be read"), failed)
	}
	slices.Reverse(records)
	return records, nil
}

// record reads the record of an ID; false when it has none: it was being written, was overwritten or lost its text.
func (r *ring) record(id uint64) (Record, bool, error) {
	desc, err := r.space.structure(r.descs+id%r.count*uint64(r.layout.desc), r.layout.desc)
	if err != nil {
		return Record{}, false, err
	}
	state := desc.long(r.layout.state)
	if s := state >> stateShift; s != committed && s != finalized || state&idMask != id {
		return Record{}, false, nil
	}
	info, err := r.space.structure(r.infos+id%r.count*uint64(r.layout.info), r.layout.info)
	if err != nil {
		return Record{}, false, err
	}
	at := time.Duration(info.long(r.layout.time) & (1<<63 - 1))
	text, ok, err := r.block(id, desc.long(r.layout.begin), desc.long(r.layout.next), int(info.short(r.layout.length)))
	return Record{at, text}, ok, err
}

// block reads the text of a record, of at most length bytes, from the block between two logical positions: they count up over the
// ring's end, and a block that does not fit before it lies at its beginning. A block begins with its record's ID.
func (r *ring) block(id, begin, next uint64, length int) (string, bool, error) {
	const idSize, none, empty = 8, 1, 3
	if begin&none != 0 {
		return "", begin == empty && next == empty, nil
	}
	start, size := begin%r.size, next-begin
	wraps := (next-1)/r.size - begin/r.size
	if wraps == 1 {
		start, size = 0, next%r.size
	}
	if wraps > 1 || size < idSize || size > r.size-start {
		return "", false, nil
	}
	block, err := r.space.structure(r.text+start, int(min(size, idSize+uint64(length))))
	if err != nil || block.long(0) != id {
		return "", false, err
	}
	return string(block[idSize:]), true, nil
}
