package main

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
)

func inb(port uint16) byte
func outb(port uint16, value byte)

// The bell is a floppy drive, because QEMU's floppy controller reads a sector within the instruction that takes its
// first byte: the CPU, and with it the machine's clock, stands still until whoever serves the drive has answered.
// (The panic device can stop a machine too, but then its clock may first leap to the next timer: up to milliseconds a
// request, and not the same each time.) Registers, bits and commands are those of the Intel 82077AA.
const (
	digitalOutput = 0x3f2
	mainStatus    = 0x3f4
	fifo          = 0x3f5

	enabled     = 0x04 // digitalOutput: not in reset, interrupts and DMA off, drive 0
	motor0      = 0x10
	readyToTake = 0x80 // mainStatus: the controller takes or gives a byte …
	toUs        = 0x40 // … gives it …
	executing   = 0x20 // … of a sector

	specify  = 0x03
	read     = 0x46 // double density, one side
	noDMA    = 0x03 // second byte of specify: the longest head load time, and programmed input
	stepRate = 0xdf
	size512  = 2
	sectors  = 18 // of a track
	gap      = 0x1b
	looks    = 1 << 20 // looks at the status, in each of which a controller that works is ready
)

var errNoBell = errors.New("the floppy controller that is this machine's bell does not react")

// ring stops this machine until its host has answered.
func ring() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if _, _, errno := syscall.RawSyscall(syscall.SYS_IOPL, 3, 0, 0); errno != 0 { // it is a thread's
		return fmt.Errorf("access to ports: %w", errno)
	}
	outb(digitalOutput, 0) // an earlier read that was left after its first byte ends here
	outb(digitalOutput, enabled|motor0)
	for _, b := range []byte{specify, stepRate, noDMA, read, 0, 0, 0, 1, size512, sectors, gap, 0xff} {
		if !controllerIs(readyToTake, readyToTake|toUs) {
			return errNoBell
		}
		outb(fifo, b)
	}
	if !controllerIs(readyToTake|toUs|executing, readyToTake|toUs|executing) {
		return errNoBell
	}
	inb(fifo)
	return nil
}

// controllerIs waits until the bits of the mask in the controller's status are these.
func controllerIs(bits, mask byte) bool {
	for range looks {
		if inb(mainStatus)&mask == bits {
			return true
		}
	}
	return false
}
