package main

import (
	"syscall"
	"time"
	"unsafe"
)

// rdtsc reads the time-stamp counter.
func rdtsc() uint64

// spin lets ticks of the time-stamp counter pass, and does nothing that depends on when it is interrupted.
func spin(ticks uint64)

// uptime is the kernel's monotonic clock, which starts with the kernel.
func uptime() time.Duration {
	const clockMonotonic = 1
	var t syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&t)), 0)
	if errno != 0 {
		return 0
	}
	return time.Duration(t.Nano())
}
