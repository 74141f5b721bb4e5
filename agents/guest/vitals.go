package main

import (
	"bytes"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

// vitals read from the kernel how well the machine bears what runs on it. Files stay open, and the reading is written for
// few instructions, since each beat does it.
type vitals struct {
	memory   vital // meminfo: memory that programs can still have
	events   vital // vmstat: processes that were killed for want of it
	schedule vital // schedstat: how long tasks waited for a CPU
	killed   uint64
	delay    uint64
	buffer   [8 << 10]byte
	log      *logger
}

// A vital is a file of /proc and what is wrong with it: it is asked no more then.
type vital struct {
	path string
	fd   int
	err  error
}

// newVitals opens what there is in the folder proc. Counters count from here on.
func newVitals(proc string, log *logger) *vitals {
	v := &vitals{log: log}
	v.memory, v.events, v.schedule = v.open(proc+"/meminfo"), v.open(proc+"/vmstat"), v.open(proc+"/schedstat")
	v.take(&protocol.Beat{})
	return v
}

func (v *vitals) open(path string) vital {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	v.log.check(path, err)
	return vital{path: path, fd: fd, err: err}
}

// take notes in the beat how the machine is, and what happened to it since the last call.
func (v *vitals) take(b *protocol.Beat) {
	const kibibyte = 1 << 10
	b.Available = int64(v.number(&v.memory, "MemAvailable:", 1) * kibibyte)
	b.Killed = int(v.increase(&v.events, &v.killed, "oom_kill ", 1))
	b.RunDelay = time.Duration(v.increase(&v.schedule, &v.delay, "cpu", 8)) // ns; the kernel's Documentation/scheduler/sched-stats.rst
}

// increase returns by how much a number has grown, and takes its new value for the last.
func (v *vitals) increase(file *vital, last *uint64, name string, column int) uint64 {
	now := v.number(file, name, column)
	grown := now - min(now, *last) // a counter never falls; a file that went missing does
	*last = max(now, *last)
	return grown
}

// number returns a number in the lines of a file that begin with the name, the sum of them over these lines; 0 if the
// file cannot be read, or has no such line.
func (v *vitals) number(file *vital, name string, column int) uint64 {
	if file.err != nil {
		return 0
	}
	n, err := syscall.Pread(file.fd, v.buffer[:], 0)
	if err == nil {
		var sum uint64
		if sum, err = sumColumn(v.buffer[:n], name, column); err == nil {
			return sum
		}
	}
	file.err = err
	v.log.printf("%s: %v", file.path, err)
	return 0
}

// sumColumn adds up the numbers in a column, counted from 0, of the lines whose first word begins with the name.
func sumColumn(text []byte, name string, column int) (uint64, error) {
	var sum uint64
	found := false
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte(name)) {
			continue
		}
		fields := bytes.Fields(line)
		if len(fields) <= column {
			return 0, fmt.Errorf("%q has no column %d", line, column)
		}
		n, err := strconv.ParseUint(string(fields[column]), 10, 64)
		if err != nil {
			return 0, err
		}
		sum, found = sum+n, true
	}
	if !found {
		return 0, fmt.Errorf("no line %s", name)
	}
	return sum, nil
}
