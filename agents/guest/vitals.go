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
	buffer   [vitalSize]byte
	log      *logger
}

const (
	vitalSize  = 8 << 10 // bytes, more than the kernel gives for one read
	vitalSlack = 64      // bytes by which a number may have moved between two readings
)

// A vital is a file of /proc.
type vital struct {
	path string
	fd   int
	// The part of its text that is looked at: that with the wanted numbers. The kernel prints no more of a list than it is asked
	// for, but always from the beginning.
	from, to int
	err      error // what is wrong with it: it is asked no more then
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
	return vital{path: path, fd: fd, to: vitalSize, err: err}
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
	for {
		n, err := syscall.Pread(file.fd, v.buffer[:file.to], 0)
		var found lines
		if err == nil {
			found, err = sumColumn(v.buffer[min(file.from, n):n], name, column)
		}
		switch {
		case err == nil:
			file.from, file.to = max(0, file.from+found.start-vitalSlack), min(file.from+found.end+vitalSlack, vitalSize)
			return found.sum
		case file.from > 0 || file.to < vitalSize: // all of it, then
			file.from, file.to = 0, vitalSize
		default:
			file.err = err
			v.log.printf("%s: %v", file.path, err)
			return 0
		}
	}
}

// lines are those that begin with a name: the sum of a column, and where the first begins and the last ends.
type lines struct {
	sum        uint64
	start, end int
}

// sumColumn adds up the numbers in a column, counted from 0, of the lines that begin with the name.
func sumColumn(text []byte, name string, column int) (found lines, err error) {
	for start, next := 0, 0; start < len(text); start = next {
		length := bytes.IndexByte(text[start:], '\n') + 1
		if length == 0 {
			break // the line is not all here
		}
		next = start + length
		line := text[start:next]
		if len(line) < len(name) || string(line[:len(name)]) != name {
			continue
		}
		fields := bytes.Fields(line)
		if len(fields) <= column {
			return lines{}, fmt.Errorf("%q has no column %d", line, column)
		}
		n, err := strconv.ParseUint(string(fields[column]), 10, 64)
		if err != nil {
			return lines{}, err
		}
		if found.end == 0 {
			found.start = start
		}
		found.sum, found.end = found.sum+n, next
	}
	if found.end == 0 {
		return lines{}, fmt.Errorf("no line %s", name)
	}
	return found, nil
}
