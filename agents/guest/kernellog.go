package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"
)

// stampKernelLog has the kernel stamp a line of its log, and returns the stamp and what the time-stamp counter was just
// before: so the host can tell when things happened that only the kernel's log has a time of.
func stampKernelLog(path string) (stamp time.Duration, tsc uint64, err error) {
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0, 0, fmt.Errorf("open %s: %w", path, err)
	}
	defer syscall.Close(fd)
	const seekEnd, debug = 2, "<7>" // of which nothing goes to a quiet console
	if _, err := syscall.Seek(fd, 0, seekEnd); err != nil {
		return 0, 0, fmt.Errorf("seek in %s: %w", path, err)
	}
	const words = "fleetfall: what time is it?"
	tsc = rdtsc()
	if _, err := syscall.Write(fd, []byte(debug+words+"\n")); err != nil {
		return 0, 0, fmt.Errorf("write to %s: %w", path, err)
	}
	var record [1024]byte
	for { // up to our own: the kernel may have said something in between
		n, err := syscall.Read(fd, record[:])
		switch {
		case err == syscall.EPIPE: // the oldest records were overwritten meanwhile
			continue
		case err != nil:
			return 0, 0, fmt.Errorf("read %s: %w", path, err)
		}
		if bytes.Contains(record[:n], []byte(words)) {
			stamp, err := parseKernelRecord(record[:n])
			return stamp, tsc, err
		}
	}
}

// parseKernelRecord returns the stamp of a record of /dev/kmsg, "priority,number,microseconds,flags;text", see the kernel's
// Documentation/ABI/testing/dev-kmsg.
func parseKernelRecord(record []byte) (time.Duration, error) {
	prefix, _, _ := bytes.Cut(record, []byte{';'})
	fields := bytes.Split(prefix, []byte{','})
	if len(fields) < 4 {
		return 0, errors.New("a record of the kernel's log without a stamp")
	}
	micros, err := strconv.ParseInt(string(fields[2]), 10, 53)
	if err != nil {
		return 0, fmt.Errorf("stamp of a record of the kernel's log: %w", err)
	}
	return time.Duration(micros) * time.Microsecond, nil
}
