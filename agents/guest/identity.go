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

// An identity is what makes a machine one host: files that are opened before the machine asks who it is, so that the
// copies of a template are spared that.
type identity struct {
	random int // the kernel's random numbers; -1 when they could not be opened
	bootID int // the kernel's ID of this boot, which it makes when it is first read, of entropy that is this host's own
	log    *logger
}

func newIdentity(log *logger) *identity {
	open := func(path string, flags int) int {
		fd, err := syscall.Open(path, flags|syscall.O_CLOEXEC, 0)
		log.check("opening "+path, err)
		if err != nil {
			return -1
		}
		return fd
	}
	i := &identity{
		random: open("/dev/random", syscall.O_WRONLY),
		bootID: open("/proc/sys/kernel/random/boot_id", syscall.O_RDONLY),
		log:    log,
	}
	// Nobody relies on these bytes. With the first that are said to be random the kernel changes its own code, which then
	// has been done when the host's own arrive.
	log.check("entropy", i.addEntropy(make([]byte, 32)))
	return i
}

// assume makes the machine the host that the configuration says it is, and returns its boot ID. Entropy comes first: a
// copy of a template shares its random numbers with all others until then.
func (i *identity) assume(c protocol.Config) (boot string) {
	if len(c.Entropy) > 0 {
		i.log.check("entropy", i.addEntropy(c.Entropy))
	}
	if c.Hostname != "" {
		i.log.check("host name", syscall.Sethostname([]byte(c.Hostname)))
	}
	if c.Now != 0 {
		now := syscall.NsecToTimeval(c.Now)
		i.log.check("clock", syscall.Settimeofday(&now))
	}
	var text [64]byte
	n, err := syscall.Read(i.bootID, text[:])
	i.log.check("reading the boot ID", err)
	return strings.TrimSpace(string(text[:max(0, n)]))
}

// addEntropy gives the kernel bytes that it may believe to be random, and has it use them from now on.
func (i *identity) addEntropy(entropy []byte) error {
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
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(i.random), rndAddEntropy, uintptr(unsafe.Pointer(&pool))); errno != 0 {
		return fmt.Errorf("RNDADDENTROPY: %w", errno)
	}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(i.random), rndReseedCRNG, 0); errno != 0 {
		return fmt.Errorf("RNDRESEEDCRNG: %w", errno)
	}
	return nil
}

// takePages takes so many pages of memory and never gives them back: what the machine allocates from then on lies elsewhere
// than it would. Copies of one template lay out their memory alike otherwise, and a figure would hang on how.
func takePages(n int) error {
	if n <= 0 {
		return nil
	}
	page := os.Getpagesize()
	memory, err := syscall.Mmap(-1, 0, min(n, protocol.MaxLayout)*page, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	for i := 0; i < len(memory); i += page {
		memory[i] = 1 // a page is taken when it is written to
	}
	return nil
}

func kernelRelease(log *logger) string { return kernelText("/proc/sys/kernel/osrelease", log) }

func kernelText(path string, log *logger) string {
	data, err := os.ReadFile(path)
	log.check("reading "+path, err)
	return strings.TrimSpace(string(data))
}
