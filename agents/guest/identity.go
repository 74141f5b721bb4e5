package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

const maxEntropy = 512 // bytes taken from a configuration

// identify makes the machine the host that the configuration says it is. Entropy comes first: a copy of a template shares
// its random numbers with all others until then.
func identify(c protocol.Config, log *logger) {
	if len(c.Entropy) > 0 {
		log.check("entropy", addEntropy(c.Entropy))
	}
	if c.Hostname != "" {
		log.check("host name", syscall.Sethostname([]byte(c.Hostname)))
	}
	if !c.Now.IsZero() {
		now := syscall.NsecToTimeval(c.Now.UnixNano())
		log.check("clock", syscall.Settimeofday(&now))
	}
}

// addEntropy gives the kernel bytes that it may believe to be random, and has it use them from now on.
func addEntropy(entropy []byte) error {
	const (
		rndAddEntropy = 0x40085203 // RNDADDENTROPY of linux/random.h
		rndReseedCRNG = 0x5207     // RNDRESEEDCRNG: else the kernel goes on with what it had for up to a minute
	)
	var pool struct { // struct rand_pool_info
		bits, size int32
		bytes      [maxEntropy]byte
	}
	n := copy(pool.bytes[:], entropy)
	pool.bits, pool.size = int32(8*n), int32(n)
	device, err := os.OpenFile("/dev/random", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer device.Close()
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, device.Fd(), rndAddEntropy, uintptr(unsafe.Pointer(&pool))); errno != 0 {
		return fmt.Errorf("RNDADDENTROPY: %w", errno)
	}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, device.Fd(), rndReseedCRNG, 0); errno != 0 {
		return fmt.Errorf("RNDRESEEDCRNG: %w", errno)
	}
	return nil
}

func bootID(log *logger) string { return kernelText("/proc/sys/kernel/random/boot_id", log) }

func kernelRelease(log *logger) string { return kernelText("/proc/sys/kernel/osrelease", log) }

func kernelText(path string, log *logger) string {
	data, err := os.ReadFile(path)
	log.check("reading "+path, err)
	return strings.TrimSpace(string(data))
}
