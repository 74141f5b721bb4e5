package main

import (
	"encoding/binary"
	"fmt"

	"github.com/fleetfall/fleetfall/agents/content"
)

// A detection is one rule that matched one event.
type detection struct {
	rule, pid uint32
	block     bool   // the kernel has refused what was done
	what      []byte // the image's path, or what was done to which file; on one line
}

func (d detection) word() string {
	if d.block {
		return content.Block.String()
	}
	return content.Detect.String()
}

// next waits for the programs' next report.
func (p *programs) next() (detection, error) {
	record, err := p.reports.Read()
	if err != nil {
		return detection{}, err
	}
	return parseDetection(record.RawSample)
}

// parseDetection reads struct detection of bpf/agent.bpf.c.
func parseDetection(b []byte) (detection, error) {
	const head = 16
	word := func(i int) uint32 { return binary.NativeEndian.Uint32(b[4*i:]) }
	if len(b) < head || int64(word(3)) > int64(len(b)-head) {
		return detection{}, fmt.Errorf("a report of %d bytes is not whole", len(b))
	}
	what := b[head : head+word(3)]
	for i, octet := range what { // a path may hold anything, a line may not
		if octet < ' ' {
			what[i] = '?'
		}
	}
	return detection{rule: word(0), pid: word(1), block: content.Action(word(2)) == content.Block, what: what}, nil
}
